<?php

declare(strict_types=1);

/*
 * Every test of the package: `php embed/php/tests/run.php [PART OF A NAME]`. Needs php-cli with FFI and the library;
 * see README.md. Ends with status 1 if a test failed, and says what was skipped and why.
 */

namespace Provident\Identity\Tests;

require __DIR__ . '/autoload.php';

error_reporting(E_ALL);
set_error_handler(static function (int $level, string $message, string $file, int $line): bool {
    if ((error_reporting() & $level) === 0) {
        return false;
    }
    throw new \ErrorException($message, 0, $level, $file, $line);
});

$wanted = $argv[1] ?? '';
$passed = 0;
$failed = 0;
$skipped = 0;
foreach (glob(__DIR__ . '/cases/*.php') as $file) {
    foreach (require $file as $name => $test) {
        $name = basename($file, '.php') . ": $name";
        if (!str_contains($name, $wanted)) {
            continue;
        }
        try {
            $said = $test();
            $passed++;
            echo "ok       $name", is_string($said) ? " ($said)" : '', "\n";
        } catch (Skipped $skip) {
            $skipped++;
            echo "SKIPPED  $name: {$skip->getMessage()}\n";
        } catch (\Throwable $error) {
            $failed++;
            echo "FAILED   $name\n         ", $error::class, ": {$error->getMessage()}\n";
            echo "         {$error->getFile()}:{$error->getLine()}\n";
        }
    }
}
echo "$passed passed, $failed failed, $skipped skipped\n";
exit($failed === 0 && $passed > 0 ? 0 : 1);
