<?php

declare(strict_types=1);

/* What the README shows is true. */

namespace Provident\Identity\Tests;

use Provident\Identity\Library;

$package = dirname(__DIR__, 2);
preg_match_all('/^```(\w+)\n(.*?)^```$/ms', (string) file_get_contents("$package/README.md"), $blocks, PREG_SET_ORDER);
$of = static fn (string $language): array =>
    array_values(array_map(static fn (array $block) => $block[2], array_filter(
        $blocks,
        static fn (array $block): bool => $block[1] === $language,
    )));

return [
    'the first example writes what stands below it' => static function () use ($of, $package): void {
        $file = Process::folder() . '/example.php';
        $required = "<?php require '$package/tests/autoload.php';\n";
        file_put_contents($file, $required . substr($of('php')[0], strlen("<?php\n")));
        $run = Process::run([PHP_BINARY, $file], '', ['PROVIDENT_LIBRARY' => Library::find()]);
        Check::same(['status' => 0, 'stdout' => $of('text')[0], 'stderr' => ''], $run);
    },
    'every example is PHP' => static function () use ($of): string {
        $folder = Process::folder();
        foreach ($of('php') as $at => $code) {
            file_put_contents("$folder/$at.php", $code);
            $run = Process::run([PHP_BINARY, '-l', "$folder/$at.php"]);
            Check::same(0, $run['status'], $run['stdout'] . $run['stderr']);
        }
        Check::same(4, count($of('php')), 'examples');
        return count($of('php')) . ' examples';
    },
    'the configuration leaves a preloaded library to be found' => static function () use ($of): void {
        $folder = Process::folder();
        $configs = array_filter($of('php'), static fn (string $code): bool => str_contains($code, "'library' =>"));
        Check::same(1, count($configs), 'configurations');
        file_put_contents("$folder/config.php", reset($configs));
        file_put_contents("$folder/shown.php", <<<'PHP'
            <?php
            function env(string $name, ?string $else = null): ?string
            {
                return getenv($name) ?: $else;
            }
            echo json_encode(require __DIR__ . '/config.php');
            PHP);
        $run = Process::run([PHP_BINARY, "$folder/shown.php"], '', ['PROVIDENT_LIBRARY' => Library::find()]);
        Check::same(['library' => null, 'adapter' => 'fake'], json_decode($run['stdout'], true));
    },
    'every name of this package in an example is there' => static function () use ($of): void {
        $found = preg_match_all('/^use (Provident\\\\Identity\\\\\w+);$/m', implode("\n", $of('php')), $used);
        Check::true($found > 10, 'examples use the package');
        foreach ($used[1] as $class) {
            Check::true(class_exists($class) || enum_exists($class), "there is $class");
        }
    },
    'Composer finds nothing to complain about' => static function () use ($package): void {
        if (trim((string) shell_exec('command -v composer')) === '') {
            throw new Skipped('composer is not installed');
        }
        $environment = ['COMPOSER_ALLOW_SUPERUSER' => '1', 'COMPOSER_HOME' => Process::folder()];
        $command = ['composer', 'validate', '--strict', '--no-interaction', "$package/composer.json"];
        $run = Process::run($command, '', $environment);
        Check::same(0, $run['status'], $run['stdout'] . $run['stderr']);
    },
];
