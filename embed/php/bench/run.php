<?php

declare(strict_types=1);

/*
 * Every measurement of the package, one line of JSON each: `php bench/run.php [SECONDS]`. P6 without and with the JIT,
 * each in a process of its own, then the first key of a process against a process that does nothing.
 */

$seconds = $argv[1] ?? '6';
$failed = false;
foreach (
    [
        ['-d', 'opcache.enable_cli=0'],
        ['-d', 'opcache.enable_cli=1', '-d', 'opcache.jit_buffer_size=0'],
        ['-d', 'opcache.enable_cli=1', '-d', 'opcache.jit_buffer_size=64M', '-d', 'opcache.jit=tracing'],
    ] as $options
) {
    passthru(implode(' ', array_map(escapeshellarg(...), [
        PHP_BINARY,
        ...$options,
        __DIR__ . '/measure.php',
        $seconds,
    ])), $status);
    $failed = $failed || $status !== 0;
}

/** Milliseconds that a process takes. */
$time = static function (array $command): float {
    $started = hrtime(true);
    $process = proc_open($command, [], $pipes);
    $status = proc_close($process);
    $took = (hrtime(true) - $started) / 1e6;
    if ($status !== 0) {
        throw new RuntimeException('a process ended with ' . $status);
    }
    return $took;
};
$median = static function (array $values): float {
    sort($values);
    return $values[count($values) >> 1];
};
[$first, $empty] = [[PHP_BINARY, __DIR__ . '/first_key.php'], [PHP_BINARY, '-r', '']];
$told = ['first' => [], 'empty' => [], 'difference' => []];
for ($run = -2; $run < 60; $run++) {
    // Which of them comes first changes, so that neither always follows the other.
    $firstMs = $run % 2 === 0 ? $time($first) : null;
    $emptyMs = $time($empty);
    $firstMs ??= $time($first);
    if ($run >= 0) {
        $told['first'][] = $firstMs;
        $told['empty'][] = $emptyMs;
        $told['difference'][] = $firstMs - $emptyMs;
    }
}
echo json_encode([
    'figure' => 'P6 first key',
    'host' => 'php',
    'first_key_ms' => round($median($told['first']), 2),
    'empty_ms' => round($median($told['empty']), 2),
    'difference_ms' => round($median($told['difference']), 2),
    'runs' => count($told['first']),
], JSON_THROW_ON_ERROR), "\n";
exit($failed ? 1 : 0);
