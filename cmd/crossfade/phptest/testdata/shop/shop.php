<?php
// A shop: login, click, cart, logout, "log out my other devices". It answers in
// JSON; a warning spoils the answer, so it is seen.
require getenv('SHOP_SESSIONS'); // own.php today

function answer(array $what): never
{
    header('Content-Type: application/json');
    echo json_encode($what), "\n";
    exit;
}

try {
    $op = $_GET['op'] ?? '';
    $id = $_COOKIE['PHPSESSID'] ?? '';
    if ($op === 'login') {
        $id = bin2hex(random_bytes(16));
        setcookie('PHPSESSID', $id);
        $s = ['user' => $_GET['user'], 'n' => 0, 'cart' => []];
    } elseif (!preg_match('/^[0-9a-f]{32}$/', $id) || ($s = session_load($id)) === null) {
        answer(['missing' => true]);
    }
    switch ($op) {
    case 'click':
        $s['n']++;
        break;
    case 'cart':
        $s['n']++;
        $s['cart'][] = str_repeat('a thing of the cart ', 5);
        $s['cart'] = array_slice($s['cart'], -10);
        break;
    case 'renew': // a new id for the same session
        $s['n']++;
        session_drop($id);
        $id = bin2hex(random_bytes(16));
        unset($s['synced'], $s['known']);
        setcookie('PHPSESSID', $id);
        break;
    case 'logout':
        session_drop($id);
        answer(['user' => $s['user'], 'n' => $s['n']]);
    case 'others':
        drop_others($s['user'], $id);
    }
    if ($op !== 'read' && !session_save($id, $s)) {
        answer(['missing' => true]);
    }
    answer(['user' => $s['user'], 'n' => $s['n']]);
} catch (Throwable $e) {
    http_response_code(500);
    answer(['error' => get_class($e) . ': ' . $e->getMessage()]);
}
