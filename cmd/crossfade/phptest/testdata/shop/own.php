<?php
// The shop's own sessions, as it has them today: memcached first, MySQL second.
// A session is written to memcached each time, and to MySQL every SYNC seconds.
const LIFE = 1440, SYNC = 1;

function mc(): Memcached
{
    static $mc = null;
    if ($mc === null) {
        $mc = new Memcached();
        [$host, $port] = explode(':', getenv('SHOP_MEMCACHED'));
        $mc->addServer($host, (int) $port);
    }
    return $mc;
}

function db(): PDO
{
    static $db = null;
    $why = null;
    for ($try = 0; $db === null && $try < 30; $try++) { // any node of the cluster will do
        $nodes = explode(',', getenv('SHOP_MYSQL'));
        [$host, $port] = explode(':', $nodes[$try % count($nodes)]);
        try {
            $db = new PDO("mysql:host=$host;port=$port;dbname=shop", 'root', '', [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::ATTR_TIMEOUT => 2,
                PDO::MYSQL_ATTR_FOUND_ROWS => true, PDO::MYSQL_ATTR_INIT_COMMAND => 'SET SESSION wsrep_sync_wait = 7']);
            $db->query('SELECT 1 FROM sessions LIMIT 1');
        } catch (PDOException $e) {
            [$db, $why] = [null, $e];
            usleep(100000);
        }
    }
    return $db ?? throw $why;
}

function run(string $sql, array $args): PDOStatement
{
    $q = db()->prepare($sql);
    for ($try = 0; ; $try++) {
        try {
            $q->execute($args);
            return $q;
        } catch (PDOException $e) {
            // Of two nodes that write one row, one is told to try again.
            if ($try === 20 || ($e->errorInfo[1] ?? 0) !== 1213) {
                throw $e;
            }
            usleep(20000);
        }
    }
}

function session_load(string $id): ?array
{
    $data = mc()->get("sess:$id");
    if ($data === false && mc()->getResultCode() !== Memcached::RES_NOTFOUND) {
        throw new RuntimeException('memcached: ' . mc()->getResultMessage());
    }
    if ($data === false) {
        $data = run('SELECT data FROM sessions WHERE id = ? AND expires > UNIX_TIMESTAMP()', [$id])->fetchColumn();
    }
    return $data === false ? null : unserialize($data);
}

/** False: this device was logged out from another one. */
function session_save(string $id, array $s): bool
{
    $new = !isset($s['synced']);
    if ($new || time() - $s['synced'] >= SYNC) {
        $s['synced'] = time();
        $row = [serialize($s), time() + LIFE, $s['user'], $id];
        $q = $new ? run('INSERT INTO sessions (data, expires, user, id) VALUES (?, ?, ?, ?)', $row)
            : run('UPDATE sessions SET data = ?, expires = ?, user = ? WHERE id = ?', $row);
        if ($q->rowCount() === 0) {
            mc()->delete("sess:$id");
            return false;
        }
    }
    return mc()->set("sess:$id", serialize($s), LIFE) ?: throw new RuntimeException('memcached: ' . mc()->getResultMessage());
}

function session_drop(string $id): void
{
    run('DELETE FROM sessions WHERE id = ?', [$id]);
    if (!mc()->delete("sess:$id") && mc()->getResultCode() !== Memcached::RES_NOTFOUND) {
        throw new RuntimeException('memcached: ' . mc()->getResultMessage());
    }
}

function drop_others(string $user, string $id): void
{
    run('DELETE FROM sessions WHERE user = ? AND id <> ?', [$user, $id]);
}
