<?php
// The shop's own sessions, as it has them today: memcached first, MySQL second.
// A session is written to memcached each time, and to MySQL every SYNC seconds.
require __DIR__ . '/db.php';
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
        $q = $new ? run('INSERT INTO sessions (data, expires, user, id) VALUES (?, ?, ?, ?) ON DUPLICATE KEY UPDATE data = VALUES(data)', $row)
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
