<?php
// A connection to any node of the cluster, and what asks it again where a node
// has died or another one was faster.
function db(bool $anew = false): PDO
{
    static $db = null, $turn = 0;
    $why = null;
    if ($anew) {
        $db = null;
        $turn++;
    }
    for ($try = 0; $db === null && $try < 60; $try++) {
        $nodes = explode(',', getenv('SHOP_MYSQL'));
        [$host, $port] = explode(':', $nodes[$turn % count($nodes)]);
        try {
            $db = new PDO("mysql:host=$host;port=$port;dbname=shop", 'root', '', [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::ATTR_TIMEOUT => 2,
                PDO::MYSQL_ATTR_FOUND_ROWS => true, PDO::MYSQL_ATTR_INIT_COMMAND => 'SET SESSION wsrep_sync_wait = 7']);
            $db->query('SELECT 1 FROM sessions LIMIT 1');
        } catch (PDOException $e) {
            [$db, $why] = [null, $e];
            $turn++;
            usleep(100000);
        }
    }
    return $db ?? throw $why;
}

function run(string $sql, array $args): PDOStatement
{
    for ($try = 0; ; $try++) {
        try {
            $q = db()->prepare($sql);
            @$q->execute($args);
            return $q;
        } catch (PDOException $e) {
            $code = $e->errorInfo[1] ?? 0;
            if ($try === 60 || !in_array($code, [1205, 1213, 1047, 2002, 2006, 2013], true)) {
                throw $e;
            }
            usleep(50000);
            db($code !== 1213); // a dead node, or one of two that wrote one row
        }
    }
}
