<?php

declare(strict_types=1);

/*
 * Conformance: the package as a program. `about` says what runs; `lines`, `calls` and `many` answer request lines on
 * standard input with reply lines on standard output. With `--adapter NAME` the op `adapt` is answered, too.
 */

namespace Provident\Identity\Tests;

use Provident\Identity\Adapter;
use Provident\Identity\Identity;
use Provident\Identity\Lines;

require __DIR__ . '/autoload.php';

// A warning is a fault of the package.
set_error_handler(static function (int $level, string $message, string $file, int $line): never {
    throw new \ErrorException($message, 0, $level, $file, $line);
});

$adapter = null;
if (($argv[2] ?? null) === '--adapter' && isset($argv[3])) {
    $adapter = Adapter::open($argv[3]);
} elseif ($argc !== 2) {
    fwrite(STDERR, "usage: host.php about|lines|calls|many [--adapter NAME]\n");
    exit(64);
}
$identity = Identity::open();
switch ($argv[1]) {
    case 'about':
        $about = $identity->about();
        $components = ['identity' => $about->componentSha256];
        foreach (glob(dirname(__DIR__, 3) . '/adapters/*/Cargo.toml') as $crate) {
            $name = basename(dirname($crate));
            $components[$name] = Adapter::open($name)->about()->componentSha256;
        }
        echo json_encode([
            'host' => 'php',
            'engine' => "{$about->engine} (PHP " . PHP_VERSION . ', FFI)',
            'version' => $about->libraryVersion,
            'components' => $components,
            'forms' => ['lines', 'calls', 'many'],
        ], JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES), "\n";
        break;
    case 'lines':
        (new Lines($identity, $adapter))->answer(STDIN, STDOUT);
        break;
    case 'calls':
        $calls = new Calls($identity, $adapter);
        while (($line = fgets(STDIN)) !== false) {
            fwrite(STDOUT, $calls->answer($line) . "\n");
        }
        break;
    case 'many':
        $requests = array_map(Calls::read(...), file('php://stdin'));
        foreach (Calls::many($identity, $requests) as $reply) {
            fwrite(STDOUT, "$reply\n");
        }
        break;
    default:
        fwrite(STDERR, "there is no form `{$argv[1]}`\n");
        exit(64);
}
