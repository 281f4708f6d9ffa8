<?php

declare(strict_types=1);

// One batch with very many replies: how many bytes they have, and by how many the process had grown at most.

use Provident\Identity\Identity;

require __DIR__ . '/autoload.php';

$peak = static function (): int {
    preg_match('/^VmHWM:\s+(\d+)/m', (string) file_get_contents('/proc/self/status'), $found);
    return (int) $found[1] << 10;
};
ini_set('memory_limit', '512M');
$identity = Identity::open();
$identity->batch("{\n");
$lines = str_repeat("{\n", 400_000);
$before = $peak();
$replies = $identity->batch($lines);
echo strlen($replies), ' ', $peak() - $before, "\n";
