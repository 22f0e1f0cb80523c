<?php
// Writes pairs of serialized values, one JSON line each: what PHP itself says of
// them stands beside ("same": whether they mean the same to an application).
enum Suit: string { case Hearts = 'H'; case Spades = 'S'; }
class P { public $a = 1; protected $b = [1, 2]; private $c = 1.5; public $seen; }
class Q { public $x; public function __serialize(): array { return ['x' => $this->x]; } }
class Old implements Serializable { public $v; function serialize() { return "raw:" . $this->v; } function unserialize($s) {} }
error_reporting(E_ALL & ~E_DEPRECATED);
ini_set('session.use_cookies', '0'); ini_set('session.save_handler', 'files'); ini_set('session.use_strict_mode', '0');
ini_set('session.cache_limiter', '');
session_save_path($argv[1]); session_start();
function session(array $vars, array $refs = []): string {
    $_SESSION = [];
    foreach ($vars as $k => $v) { $_SESSION[$k] = $v; }
    foreach ($refs as $to => $from) { $_SESSION[$to] = &$_SESSION[$from]; }
    $s = session_encode();
    session_unset();
    return $s;
}
function out(string $name, string $format, string $a, string $b, bool $same, array $ignore = []) {
    echo json_encode(['name' => $name, 'format' => $format, 'a' => base64_encode($a), 'b' => base64_encode($b), 'same' => $same, 'ignore' => $ignore]), "\n";
}
function P($a = 1) { $p = new P; $p->a = $a; return $p; }
function dyn(array $props) { $o = new stdClass; foreach ($props as $k => $v) { $o->$k = $v; } return $o; }
$nested = ['user' => ['id' => 7, 'roles' => ['admin', 'ops'], 'rate' => 0.1], 'cart' => [['sku' => 'a"b;}', 'n' => 2]], 'ü' => "grün\0\xff|;"];
out('order of variables', 'php', session(['a' => 1, 'b' => $nested]), session(['b' => $nested, 'a' => 1]), true);
out('another value', 'php', session(['a' => 1]), session(['a' => 2]), false);
out('a variable more', 'php', session(['a' => 1]), session(['a' => 1, 'b' => null]), false);
out('int and float', 'php', session(['a' => 1]), session(['a' => 1.0]), false);
out('int and string', 'php', session(['a' => 1]), session(['a' => '1']), false);
out('false and null', 'php', session(['a' => 1, 'b' => false]), session(['b' => null, 'a' => 1]), false);
out('floats', 'php', session(['a' => 0.1, 'b' => INF, 'c' => NAN, 'd' => -0.0, 'e' => 1e300]), session(['e' => 1e300, 'd' => -0.0, 'c' => NAN, 'b' => INF, 'a' => 0.1]), true);
out('float, last digit', 'php', session(['a' => 0.1]), session(['a' => 0.1 + 0.2 - 0.2]), false);
out('order in an array', 'php', session(['a' => ['x' => 1, 'y' => 2]]), session(['a' => ['y' => 2, 'x' => 1]]), false);
out('object and array', 'php', session(['a' => ['x' => 1]]), session(['a' => dyn(['x' => 1])]), false);
out('order of properties', 'php', session(['o' => dyn(['x' => 1, 'y' => [2]])]), session(['o' => dyn(['y' => [2], 'x' => 1])]), true);
out('private, protected', 'php', session(['p' => P(), 'z' => 1]), session(['z' => 1, 'p' => P()]), true);
out('private differs', 'php', session(['p' => P()]), session(['p' => P(2)]), false);
out('another class', 'php', session(['o' => dyn(['x' => 1])]), str_replace('stdClass', 'stdKlass', session(['o' => dyn(['x' => 1])])), false);
$q = new Q; $q->x = ['k' => 1];
out('__serialize', 'php', session(['q' => $q, 'a' => 1]), session(['a' => 1, 'q' => $q]), true);
out('enum', 'php', session(['e' => Suit::Hearts, 'a' => 1]), session(['a' => 1, 'e' => Suit::Hearts]), true);
out('another case', 'php', session(['e' => Suit::Hearts]), session(['e' => Suit::Spades]), false);
$old = new Old; $old->v = 'x{y}';
out('C:', 'php', session(['c' => $old, 'a' => 1]), session(['a' => 1, 'c' => $old]), true);
$old2 = new Old; $old2->v = 'x{z}';
out('C: differs', 'php', session(['c' => $old]), session(['c' => $old2]), false);
out('reference', 'php', session(['a' => [1], 'b' => 2], ['c' => 'a']), session(['b' => 2, 'a' => [1]], ['c' => 'a']), true);
out('reference to another', 'php', session(['a' => 1, 'b' => 1], ['c' => 'a']), session(['a' => 1, 'b' => 1], ['c' => 'b']), false);
out('reference and value', 'php', session(['a' => 1], ['c' => 'a']), session(['a' => 1, 'c' => 1]), false);
$o = dyn(['n' => 1]);
out('one object twice', 'php', session(['z' => [5], 'a' => $o, 'b' => $o]), session(['a' => $o, 'z' => [5], 'b' => $o]), true);
out('two alike, or one twice', 'php', session(['a' => $o, 'b' => $o]), session(['a' => $o, 'b' => clone $o]), false);
$self = dyn(['n' => 1]); $self->self = $self;
out('a ring', 'php', session(['a' => 1, 'o' => $self]), session(['o' => $self, 'a' => 1]), true);
$sf = fn($t, $v) => ['_sf2_attributes' => ['u' => $v], '_sf2_meta' => ['u' => $t, 'c' => 100, 'l' => 0]];
out('ignored', 'php', session($sf(1, 'x')), session($sf(2, 'x')), true, ['_sf2_meta.u']);
out('not ignored elsewhere', 'php', session($sf(1, 'x')), session($sf(1, 'y')), false, ['_sf2_meta.u']);
out('ignored, missing in one', 'php', session(['a' => 1, 'last_seen' => 5]), session(['a' => 1]), true, ['last_seen']);
out('ignored, and references', 'php', session(['last_seen' => [1, 2], 'a' => $o, 'b' => $o]), session(['a' => $o, 'b' => $o]), true, ['last_seen']);
out('any key', 'php', session(['c' => [['n' => 1, 't' => 1], ['n' => 2, 't' => 2]]]), session(['c' => [['n' => 1, 't' => 8], ['n' => 2, 't' => 9]]]), true, ['c.*.t']);
$p1 = P(); $p1->seen = 1; $p2 = P(); $p2->seen = 2;
out('a property', 'php', session(['p' => $p1]), session(['p' => $p2]), true, ['p.seen']);
out('a private property', 'php', session(['p' => P()]), str_replace('d:1.5;', 'd:2.5;', session(['p' => P()])), true, ['p.c']);
out('a list index', 'php', session(['l' => [1, 2]]), session(['l' => [1, 3]]), true, ['l.1']);
out('serialize', 'php_serialize', serialize(['a' => dyn(['x' => 1, 'y' => 2])]), serialize(['a' => dyn(['y' => 2, 'x' => 1])]), true);
out('serialize, a scalar', 'php_serialize', serialize(1), serialize(1.0), false);
out('serialize, the session', 'php_serialize', serialize(['a' => 1, 'b' => 2]), serialize(['b' => 2, 'a' => 1]), false);
out('json members', 'json', json_encode(['a' => 1, 'b' => ['ü', 1.5]]), json_encode(['b' => ['ü', 1.5], 'a' => 1], JSON_UNESCAPED_UNICODE | JSON_PRETTY_PRINT), true);
out('json order in a list', 'json', json_encode([1, 2]), json_encode([2, 1]), false);
out('json int and float', 'json', json_encode([1]), json_encode([1.0], JSON_PRESERVE_ZERO_FRACTION), false);
out('json ignored', 'json', json_encode(['cookie' => ['expires' => 1], 'n' => 1]), json_encode(['n' => 1, 'cookie' => ['expires' => 2]]), true, ['cookie.expires']);
out('json object and list', 'json', '{}', '[]', false);
session_destroy();
