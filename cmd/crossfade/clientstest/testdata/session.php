<?php
// PHP's own session functions: which handler they use, the settings say. Any
// warning stands in the answer and spoils it, so it is seen.
require __DIR__ . '/answer.php';

$op = $_GET['op'];
$handler = ini_get('session.save_handler');
extension_loaded($handler) or refuse("apt-get install php-$handler, or make deps");
if ($op === 'version') {
    answer(['note' => phpversion($handler), 'runtime' => PHP_VERSION]);
}
// php-memcache unlocks by writing alone: who only reads keeps others out for 15 s.
$writes = $handler === 'memcache';
if (!session_start($op === 'look' && !$writes ? ['read_and_close' => true] : [])) {
    refuse('session_start');
}
if ($op === 'login') {
    $_SESSION = ['user' => $_GET['user'], 'n' => 0];
} elseif (!isset($_SESSION['user'])) {
    $writes ? @session_destroy() : session_abort(); // leaves no empty session behind
    answer(['missing' => true]);
}
if ($op === 'click') {
    usleep(1000 * (int) $_GET['hold']);
    $_SESSION['n']++;
} elseif ($op === 'renew') {
    session_regenerate_id(true);
}
$told = ['user' => $_SESSION['user'], 'n' => $_SESSION['n']];
if ($op === 'logout') {
    session_destroy() or refuse('session_destroy');
} elseif ($op !== 'look' || $writes) {
    session_write_close() or refuse('session_write_close');
}
answer($told);
