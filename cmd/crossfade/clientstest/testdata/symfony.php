<?php
// Symfony's Session over its handlers for Redis and memcached.
require __DIR__ . '/answer.php';
@include 'Symfony/Component/HttpFoundation/autoload.php';

use Symfony\Component\HttpFoundation\Session\Session;
use Symfony\Component\HttpFoundation\Session\Storage\Handler\MemcachedSessionHandler;
use Symfony\Component\HttpFoundation\Session\Storage\Handler\RedisSessionHandler;
use Symfony\Component\HttpFoundation\Session\Storage\NativeSessionStorage;

class_exists(Session::class) or refuse('apt-get install php-symfony-http-foundation, or make deps');
$op = $_GET['op'];
if ($op === 'version') {
    answer(['note' => installed('php-symfony-http-foundation')]);
}
[$host, $port] = explode(':', getenv('AGENT'));
if (getenv('CLIENT') === 'Symfony RedisSessionHandler') {
    $redis = new Redis();
    $redis->connect($host, (int) $port);
    $handler = new RedisSessionHandler($redis, ['ttl' => 1440]);
} else {
    $memcached = new Memcached();
    $memcached->addServer($host, (int) $port);
    $handler = new MemcachedSessionHandler($memcached, ['prefix' => 'sf2s', 'expiretime' => 1440]);
}
$session = new Session(new NativeSessionStorage(['name' => 'PHPSESSID'], $handler));
$session->start();
if ($op === 'login') {
    $session->set('user', $_GET['user']);
    $session->set('n', 0);
} elseif (!$session->has('user')) {
    answer(['missing' => true]);
}
if ($op === 'click') {
    usleep(1000 * (int) $_GET['hold']);
    $session->set('n', $session->get('n') + 1);
} elseif ($op === 'renew') {
    $session->migrate(true);
}
$told = ['user' => $session->get('user'), 'n' => $session->get('n')];
if ($op === 'logout') {
    $session->invalidate();
}
$session->save();
answer($told);
