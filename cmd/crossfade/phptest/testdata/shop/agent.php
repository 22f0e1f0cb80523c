<?php
// The shop's sessions through the agent, which owns memcached and MySQL: four
// functions instead of the shop's own. "Log out my other devices" stays SQL.
require __DIR__ . '/db.php';
require getenv('SHOP_HANDLER');
crossfade_connect('unix://' . getenv('SHOP_SOCKET'), 'sess:', 'sess:lock:', 12.0);
const LIFE = 1440;

function session_load(string $id): ?array
{
    $data = crossfade_get($id);
    return $data === null ? null : unserialize($data);
}

function session_save(string $id, array $s): bool
{
    $new = !isset($s['known']);
    $s['known'] = true;
    for ($try = 0; ; $try++) {
        try {
            crossfade_set($id, serialize($s), LIFE);
            break;
        } catch (CrossfadeException $e) {
            if (str_contains($e->getMessage(), 'NOT_STORED')) {
                return false; // logged out from another device
            }
            // A node of the cluster has died under it: nobody knows whether it was
            // written, and it may be written again.
            if ($try === 2) {
                throw $e;
            }
        }
    }
    if ($new) { // whose session it is, for the other devices
        run('UPDATE sessions SET user = ? WHERE id = ?', [$s['user'], $id]);
    }
    return true;
}

function session_drop(string $id): void
{
    crossfade_delete($id);
}

function drop_others(string $user, string $id): void
{
    run('DELETE FROM sessions WHERE user = ? AND id <> ?', [$user, $id]);
}
