<?php

declare(strict_types=1);

/* A call is answered with its own answer, whatever runs before it is read. */

namespace Provident\Identity\Tests;

$interrupted = static function (string $by): void {
    $run = Process::run([PHP_BINARY, dirname(__DIR__) . '/interrupted.php', $by]);
    Check::same(['status' => 0, 'stdout' => '', 'stderr' => ''], $run);
};

$tests = ['by a destructor the collector of garbage runs' => static fn () => $interrupted('collected')];
if (extension_loaded('pcntl') && extension_loaded('posix')) {
    $tests['by a signal handler'] = static fn () => $interrupted('signalled');
}
return $tests;
