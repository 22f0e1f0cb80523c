<?php
// What a migration does not suit, for five seconds: keys deleted to have them
// read again, a table written past the agent, a command that the agent does not
// speak, and long lives.
require getenv('SHOP_SESSIONS');
$id = 0;
for ($end = microtime(true) + 5; microtime(true) < $end; usleep(20000)) {
    $key = sprintf('sess:%032x', $id++ % 20);
    mc()->set($key, $id, 7200); // a number: php-memcached says so in the flags
    if ($id % 3 === 0) {
        mc()->delete($key);
    }
    mc()->flush();
    run('UPDATE sessions SET expires = expires + 1 LIMIT 20', []);
}
