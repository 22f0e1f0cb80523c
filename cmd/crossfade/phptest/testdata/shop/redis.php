<?php
// The shop's sessions after the move: Redis alone.
const LIFE = 1440;

function redis(): Redis
{
    static $redis = null;
    if ($redis === null) {
        $redis = new Redis();
        [$host, $port] = explode(':', getenv('SHOP_REDIS'));
        $redis->connect($host, (int) $port, 2.0);
    }
    return $redis;
}

function session_load(string $id): ?array
{
    $data = redis()->get("sess:$id");
    return $data === false ? null : unserialize($data);
}

function session_save(string $id, array $s): bool
{
    redis()->sAdd("devices:{$s['user']}", $id);
    return redis()->setex("sess:$id", LIFE, serialize($s));
}

function session_drop(string $id): void
{
    redis()->del("sess:$id");
}

function drop_others(string $user, string $id): void
{
    foreach (redis()->sMembers("devices:$user") as $other) {
        if ($other !== $id) {
            redis()->del("sess:$other");
        }
    }
}
