<?php
// Laravel's session Store over its cache stores for Redis and memcached, put
// together as its SessionManager does.
require __DIR__ . '/answer.php';
foreach (['Session', 'Cache', 'Redis', 'Support', 'Container'] as $part) {
    @include "Illuminate/$part/autoload.php";
}

use Illuminate\Cache\MemcachedStore;
use Illuminate\Cache\RedisStore;
use Illuminate\Cache\Repository;
use Illuminate\Redis\RedisManager;
use Illuminate\Session\CacheBasedSessionHandler;
use Illuminate\Session\Store;

class_exists(Store::class) or refuse('apt-get install php-illuminate-session php-illuminate-cache php-illuminate-redis, or make deps-clients');
$op = $_GET['op'];
if ($op === 'version') {
    answer(['note' => installed('php-illuminate-session')]);
}
[$host, $port] = explode(':', getenv('AGENT'));
if (getenv('CLIENT') === 'Laravel, redis') {
    $manager = new RedisManager(null, 'phpredis', [
        'options' => ['prefix' => 'laravel_database_'],
        'default' => ['host' => $host, 'port' => (int) $port, 'database' => 1],
    ]);
    $cache = new RedisStore($manager, 'laravel_cache');
} else {
    $memcached = new Memcached();
    $memcached->addServer($host, (int) $port);
    $cache = new MemcachedStore($memcached, 'laravel_cache');
}
$session = new Store('PHPSESSID', new CacheBasedSessionHandler(new Repository($cache), 24), $_COOKIE['PHPSESSID'] ?? null);
$session->start();
if ($op === 'login') {
    $session->put(['user' => $_GET['user'], 'n' => 0]);
} elseif (!$session->has('user')) {
    answer(['missing' => true]);
}
if ($op === 'click') {
    usleep(1000 * (int) $_GET['hold']);
    $session->put('n', $session->get('n') + 1);
} elseif ($op === 'renew') {
    $session->migrate(true);
}
$told = ['user' => $session->get('user'), 'n' => $session->get('n')];
if ($op === 'logout') {
    $session->invalidate();
}
$session->save();
setcookie('PHPSESSID', $session->getId());
answer($told);
