<?php
// The pages of a site that counts clicks in PHP's own session. It answers in
// JSON; any warning stands in the answer and spoils it, so it is seen.
function answer(array $what): never {
    header('Content-Type: application/json');
    echo json_encode($what), "\n";
    exit;
}

$op = $_GET['op'] ?? '';
if (!session_start($op === 'read' ? ['read_and_close' => true] : [])) {
    http_response_code(500);
    answer(['error' => 'session_start']);
}
if ($op === 'login') {
    session_regenerate_id(true);
    $_SESSION = ['user' => $_GET['user'], 'n' => 0];
} elseif (!isset($_SESSION['user'])) {
    session_abort(); // leaves no empty session behind
    answer(['missing' => true]);
}
$told = ['user' => $_SESSION['user'], 'n' => $_SESSION['n']];
switch ($op) {
case 'click':
    $told['n'] = ++$_SESSION['n'];
    break;
case 'renew': // a new id for the same session
    $told['n'] = ++$_SESSION['n'];
    session_regenerate_id(true);
    break;
case 'logout':
    if (!session_destroy()) {
        http_response_code(500);
        answer(['error' => 'session_destroy']);
    }
    answer($told);
}
if ($op !== 'read' && !session_write_close()) {
    http_response_code(500);
    answer(['error' => 'session_write_close']);
}
answer($told);
