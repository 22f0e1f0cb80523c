<?php
/**
 * PHP sessions through a Crossfade agent: one file, no dependencies, PHP 8.0 or
 * later (tried with 8.2).
 *
 * As PHP's session handler:
 *
 *     require 'crossfade_session.php';
 *     session_set_save_handler(new CrossfadeSessionHandler('unix:///run/crossfade/memcached.sock'), true);
 *     session_start();
 *
 * Or in place of an application's own session functions:
 *
 *     crossfade_connect('unix:///run/crossfade/memcached.sock', prefix: 'sess:');
 *     $data = crossfade_get($id);            // null: there is none
 *     crossfade_set($id, $data, 1440);
 *     crossfade_touch($id, 1440);            // false: there is none
 *     crossfade_delete($id);                 // a logout
 *
 * It speaks memcached's ASCII protocol (protocol.txt of memcached 1.6) to
 * listen.memcached. The names it uses, prefix and id, must be among the keys of
 * a kind; locks are taken under the lock prefix.
 *
 * An agent that does not answer is never taken for a session that is missing:
 * the functions throw CrossfadeException, and session_start() returns false,
 * so that nobody is logged out by a pause. No session id is in a message.
 */

final class CrossfadeException extends RuntimeException
{
}

/** One connection to an agent. It is made at the first use, and made anew after an error. */
final class CrossfadeClient
{
    /** @var resource|null */
    private $stream = null;

    /**
     * @param string $address unix:///path or tcp://127.0.0.1:port
     * @param float $timeout seconds for each connect, read and write
     */
    public function __construct(
        private string $address,
        private string $prefix = 'memc.sess.key.',
        private string $lockPrefix = 'memc.sess.key.lock.',
        private float $timeout = 2.0,
    ) {
    }

    /** The session's data, or null where there is none. */
    public function get(string $id): ?string
    {
        $data = null;
        $this->send('get ' . $this->name($this->prefix, $id) . "\r\n");
        while (($line = $this->line()) !== 'END') {
            $word = explode(' ', $line);
            if ($word[0] !== 'VALUE' || count($word) < 4) {
                $this->refused($line);
            }
            $data = $this->bytes((int) $word[3]);
        }
        return $data;
    }

    /** Stores a session for so many seconds. */
    public function set(string $id, string $data, int $seconds): void
    {
        $line = $this->store('set', $this->name($this->prefix, $id), $data, $seconds);
        if ($line !== 'STORED') {
            $this->refused($line);
        }
    }

    /** Lets a session live for so many seconds from now; false where there is none. */
    public function touch(string $id, int $seconds): bool
    {
        $line = $this->ask('touch ' . $this->name($this->prefix, $id) . ' ' . $this->seconds($seconds) . "\r\n");
        return match ($line) {
            'TOUCHED' => true, 'NOT_FOUND' => false, default => $this->refused($line),
        };
    }

    /** Removes a session; false where there was none. */
    public function delete(string $id): bool
    {
        $line = $this->ask('delete ' . $this->name($this->prefix, $id) . "\r\n");
        return match ($line) {
            'DELETED' => true, 'NOT_FOUND' => false, default => $this->refused($line),
        };
    }

    /** Takes the session's lock; false where somebody else holds it. It ends by itself after so many seconds. */
    public function lock(string $id, int $seconds): bool
    {
        $line = $this->store('add', $this->name($this->lockPrefix, $id), bin2hex(random_bytes(8)), $seconds);
        return match ($line) {
            'STORED' => true, 'NOT_STORED' => false, default => $this->refused($line),
        };
    }

    public function unlock(string $id): void
    {
        $line = $this->ask('delete ' . $this->name($this->lockPrefix, $id) . "\r\n");
        if ($line !== 'DELETED' && $line !== 'NOT_FOUND') {
            $this->refused($line);
        }
    }

    public function close(): void
    {
        if ($this->stream !== null) {
            fclose($this->stream);
            $this->stream = null;
        }
    }

    private function store(string $verb, string $name, string $data, int $seconds): string
    {
        return $this->ask("$verb $name 0 " . $this->seconds($seconds) . ' ' . strlen($data) . "\r\n$data\r\n");
    }

    /** More than 30 days would be read as a date (protocol.txt, "Expiration times"). */
    private function seconds(int $seconds): int
    {
        if ($seconds <= 0) {
            throw new CrossfadeException("crossfade: a life of $seconds s: accepted is 1 or more");
        }
        return $seconds > 2592000 ? time() + $seconds : $seconds;
    }

    private function name(string $prefix, string $id): string
    {
        if ($id === '' || strlen($prefix . $id) > 250 || preg_match('/[\x00-\x20\x7f]/', $id)) {
            throw new CrossfadeException('crossfade: malformed session id: 1 to 250 bytes with its prefix, no space or control byte');
        }
        return $prefix . $id;
    }

    private function ask(string $request): string
    {
        $this->send($request);
        return $this->line();
    }

    private function send(string $request): void
    {
        if ($this->stream === null) {
            $stream = @stream_socket_client($this->address, $code, $why, $this->timeout);
            if ($stream === false) {
                throw new CrossfadeException("crossfade: no agent at {$this->address}: $why: is it running?");
            }
            stream_set_timeout($stream, (int) $this->timeout, (int) (fmod($this->timeout, 1) * 1e6));
            $this->stream = $stream;
        }
        for ($sent = 0; $sent < strlen($request); $sent += $n) {
            $n = @fwrite($this->stream, $sent === 0 ? $request : substr($request, $sent));
            if ($n === false || $n === 0) {
                $this->broken();
            }
        }
    }

    private function line(): string
    {
        $line = @fgets($this->stream, 4096);
        if ($line === false || !str_ends_with($line, "\r\n")) {
            $this->broken();
        }
        return substr($line, 0, -2);
    }

    private function bytes(int $length): string
    {
        $data = @stream_get_contents($this->stream, $length + 2);
        if ($data === false || strlen($data) !== $length + 2) {
            $this->broken();
        }
        return substr($data, 0, $length);
    }

    private function broken(): never
    {
        $slow = $this->stream !== null && (stream_get_meta_data($this->stream)['timed_out'] ?? false);
        $this->close(); // what is still to come would be taken for another answer
        throw new CrossfadeException('crossfade: the agent ' . ($slow ? "did not answer within {$this->timeout} s" : 'closed the connection'));
    }

    private function refused(string $line): never
    {
        if ($line !== 'NOT_STORED' && !str_starts_with($line, 'SERVER_ERROR ')) {
            $this->close(); // the line that follows may be an answer too
        }
        throw new CrossfadeException('crossfade: the agent answered: ' . $line);
    }
}

final class CrossfadeSessionHandler implements SessionHandlerInterface, SessionIdInterface, SessionUpdateTimestampHandlerInterface
{
    private CrossfadeClient $client;
    private ?string $locked = null;

    /**
     * @param int $lockSeconds how long a lock lives at most; 0: no locks
     * @param float $lockWait seconds to wait for another request's lock, then session_start() fails
     */
    public function __construct(
        string|CrossfadeClient $agent,
        private int $lockSeconds = 30,
        private float $lockWait = 10.0,
    ) {
        $this->client = is_string($agent) ? new CrossfadeClient($agent) : $agent;
    }

    public function open(string $path, string $name): bool
    {
        return true;
    }

    public function close(): bool
    {
        try {
            $this->unlock();
        } catch (CrossfadeException $e) {
            return $this->failed($e);
        } finally {
            $this->client->close();
        }
        return true;
    }

    public function create_sid(): string
    {
        return session_create_id();
    }

    public function validateId(string $id): bool
    {
        try {
            return $this->client->get($id) !== null;
        } catch (CrossfadeException $e) {
            // Not knowing is no reason to give the user another id; read() says so.
            $this->failed($e);
            return true;
        }
    }

    public function read(string $id): string|false
    {
        try {
            $this->lock($id);
            return $this->client->get($id) ?? '';
        } catch (CrossfadeException $e) {
            return $this->failed($e);
        }
    }

    public function write(string $id, string $data): bool
    {
        try {
            $this->client->set($id, $data, $this->life());
            return true;
        } catch (CrossfadeException $e) {
            return $this->failed($e);
        }
    }

    public function updateTimestamp(string $id, string $data): bool
    {
        try {
            // Gone since it was read: logged out elsewhere. It must not come back.
            $this->client->touch($id, $this->life());
            return true;
        } catch (CrossfadeException $e) {
            return $this->failed($e);
        }
    }

    public function destroy(string $id): bool
    {
        try {
            $this->client->delete($id);
            return true;
        } catch (CrossfadeException $e) {
            return $this->failed($e);
        }
    }

    public function gc(int $max_lifetime): int|false
    {
        return 0; // the stores end sessions by themselves
    }

    private function lock(string $id): void
    {
        if ($this->lockSeconds <= 0 || $this->locked === $id) {
            return;
        }
        $this->unlock();
        $end = microtime(true) + $this->lockWait;
        for ($pause = 2000; !$this->client->lock($id, $this->lockSeconds); $pause = min($pause * 2, 100000)) {
            if (microtime(true) >= $end) {
                throw new CrossfadeException("crossfade: another request holds the session's lock for {$this->lockWait} s");
            }
            usleep($pause);
        }
        $this->locked = $id;
    }

    private function unlock(): void
    {
        if ($this->locked !== null) {
            $id = $this->locked;
            $this->locked = null;
            $this->client->unlock($id);
        }
    }

    private function life(): int
    {
        return max(1, (int) ini_get('session.gc_maxlifetime'));
    }

    private function failed(CrossfadeException $e): bool
    {
        trigger_error($e->getMessage(), E_USER_WARNING);
        return false;
    }
}

/** The client that the four functions use. Call it once, before them. */
function crossfade_connect(string $address, string $prefix = 'sess:', string $lockPrefix = 'sess:lock:', float $timeout = 2.0): CrossfadeClient
{
    return $GLOBALS['crossfade_client'] = new CrossfadeClient($address, $prefix, $lockPrefix, $timeout);
}

/** The session's data, or null where there is none. Throws where nobody can say. */
function crossfade_get(string $id): ?string
{
    return $GLOBALS['crossfade_client']->get($id);
}

/** Stores a session for so many seconds. */
function crossfade_set(string $id, string $data, int $seconds): void
{
    $GLOBALS['crossfade_client']->set($id, $data, $seconds);
}

/** Lets a session live for so many seconds from now; false where there is none. */
function crossfade_touch(string $id, int $seconds): bool
{
    return $GLOBALS['crossfade_client']->touch($id, $seconds);
}

/** Removes a session; false where there was none. */
function crossfade_delete(string $id): bool
{
    return $GLOBALS['crossfade_client']->delete($id);
}
