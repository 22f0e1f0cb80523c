<?php
// How all these sites answer: see script_test.go.
function answer(array $what): never {
    header('Content-Type: application/json');
    echo json_encode($what), "\n";
    exit;
}

function refuse(string $what): never {
    http_response_code(500);
    answer(['error' => $what]);
}

// installed is a Debian package's version, where nothing else tells it.
function installed(string $package): string {
    $said = shell_exec("dpkg-query -W -f='\${Version}' $package 2>/dev/null");
    return preg_replace('/^\d+:|[+-].*$/', '', (string) $said) ?: '?';
}
