<?php

declare(strict_types=1);

/* The package as a web server runs it: `ffi.enable=preload`, with and without the preload script. */

namespace Provident\Identity\Tests;

use Provident\Identity\Library;

const KEY = 'provider:fake:policy:widgetPolicy:widget:id:A%3A1';

/** Served is a copy: other users may not be let into the folder the package is developed in. */
$package = (static function (string $source): string {
    $package = Process::folder();
    foreach (['', '/src', '/tests', '/lib'] as $part) {
        is_dir("$package$part") || mkdir("$package$part");
        chmod("$package$part", 0755);
        $files = $part === '/lib' ? [Library::find()] : glob("$source$part/*.{php,h}", GLOB_BRACE);
        foreach ($files as $file) {
            $copy = "$package$part/" . basename($file);
            copy($file, $copy);
            chmod($copy, 0644);
        }
    }
    return $package;
})(dirname(__DIR__, 2));
$library = "$package/lib/" . basename(Library::find());
/** Preloading as the user the server runs as. */
$preloading = [
    '-d', 'ffi.enable=preload',
    '-d', 'opcache.enable=1',
    '-d', 'opcache.enable_cli=1',
    '-d', "opcache.preload=$package/preload.php",
];
/** Root may not preload as itself, and is somebody else here. */
$asUser = posix_geteuid() === 0 ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : [];

/** Preloading the library by a setting, which root may do and a preload script under `preload_user` may not. */
$bySetting = static function (string $folder, string $user) use ($preloading, $library): array {
    file_put_contents("$folder/provident.h", Library::preloadHeader($library));
    return [...$preloading, '-d', "ffi.preload=$folder/provident.h", '-d', "opcache.preload_user=$user"];
};

/** A port of this machine that is free now. */
$freePort = static function (): string {
    $socket = stream_socket_server('tcp://127.0.0.1:0');
    $address = (string) stream_socket_get_name($socket, false);
    fclose($socket);
    return $address;
};

/** One page of PHP's own web server, which is as restricted as any. */
$page = static function (
    array $options,
    array $asUser = [],
    ?string $at = null,
) use (
    $package,
    $library,
    $freePort,
): array {
    $environment = ['PROVIDENT_LIBRARY' => $at ?? $library] + getenv();
    for ($port = 0; $port < 5; $port++) {
        $address = $freePort();
        $log = tmpfile();
        $command = [...$asUser, PHP_BINARY, ...$options, '-S', $address, "$package/tests/served.php"];
        $server = proc_open($command, [['file', '/dev/null', 'r'], $log, $log], $pipes, null, $environment);
        try {
            // One that has ended did not get the port, which somebody else has taken meanwhile.
            for ($attempt = 0; $attempt < 100 && proc_get_status($server)['running']; $attempt++) {
                $told = json_decode((string) @file_get_contents("http://$address/"), true);
                if (($told['pid'] ?? null) === proc_get_status($server)['pid']) {
                    return $told;
                }
                usleep(50_000);
            }
        } finally {
            proc_terminate($server);
            proc_close($server);
        }
    }
    rewind($log);
    Check::fail('the server does not answer: ' . stream_get_contents($log));
};

/** Six pages of PHP-FPM, of two workers. */
$fpm = static function (string $user, callable $options) use ($package, $library): array {
    $found = glob('/usr/sbin/php-fpm' . PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION);
    $client = trim((string) shell_exec('command -v cgi-fcgi'));
    if ($found === [] || $client === '' || posix_geteuid() !== 0) {
        throw new Skipped('needs root, php-fpm of this version and cgi-fcgi (Debian: libfcgi-bin)');
    }
    $folder = Process::folder();
    chmod($folder, 0755);
    file_put_contents("$folder/fpm.conf", implode("\n", [
        '[global]',
        "error_log = $folder/log",
        'daemonize = no',
        '[www]',
        "user = $user",
        "listen = $folder/socket",
        'pm = static',
        'pm.max_children = 2',
        '',
    ]));
    $command = [
        reset($found), '-F', '-R', '-y', "$folder/fpm.conf",
        ...$options($folder, $user),
    ];
    $log = fopen("$folder/output", 'w');
    $environment = ['PROVIDENT_LIBRARY' => $library] + getenv();
    $server = proc_open($command, [['file', '/dev/null', 'r'], $log, $log], $pipes, null, $environment);
    try {
        for ($attempt = 0; $attempt < 100 && !file_exists("$folder/socket"); $attempt++) {
            usleep(50_000);
        }
        $pages = [];
        for ($page = 0; $page < 6; $page++) {
            $run = Process::run([$client, '-bind', '-connect', "$folder/socket"], '', [
                'REQUEST_METHOD' => 'GET',
                'SCRIPT_FILENAME' => "$package/tests/served.php",
                'PROVIDENT_LIBRARY' => $library,
            ]);
            $body = explode("\r\n\r\n", $run['stdout'], 2)[1] ?? '';
            $told = json_decode($body, true);
            $said = $run['stdout'] . @file_get_contents("$folder/log") . file_get_contents("$folder/output");
            Check::true(is_array($told), "a page is JSON, not: $said");
            $pages[] = $told;
        }
        return $pages;
    } finally {
        proc_terminate($server);
        proc_close($server);
    }
};

$served = static fn (array $told): array => [
    $told['sapi'],
    $told['restricted'],
    $told['key'] ?? $told['error'],
    $told['described'] ?? 0,
    $told['scope'],
    $told['preloaded'] === count(glob("$package/src/*.php")),
];

return [
    'on the command line' => static function () use (
        $preloading,
        $asUser,
        $package,
        $library,
        $served,
    ): void {
        $run = Process::run([...$asUser, PHP_BINARY, ...$preloading, "$package/tests/served.php"], '', [
            'PROVIDENT_LIBRARY' => $library,
        ]);
        $told = json_decode($run['stdout'], true);
        Check::true(is_array($told), "the page is JSON, not: {$run['stdout']} {$run['stderr']}");
        Check::same(['cli', false, KEY, 1, true, true], $served($told));
    },
    'a server, preloaded' => static fn () => Check::same(
        ['cli-server', true, KEY, 1, true, true],
        $served($page($preloading, $asUser)),
    ),
    'a server, the library preloaded by a setting' => static function () use ($page, $bySetting, $served): void {
        if (posix_geteuid() !== 0) {
            throw new Skipped('needs root');
        }
        Check::same(['cli-server', true, KEY, 1, true, true], $served($page($bySetting(Process::folder(), 'root'))));
    },
    'a server that did not preload says so' => static function () use ($page): void {
        $told = $page(['-d', 'ffi.enable=preload']);
        Check::same([true, 'library-unusable'], [$told['restricted'], $told['error'] ?? null]);
    },
    'a server whose library is missing starts, and its pages say so' => static function () use (
        $page,
        $preloading,
        $asUser,
    ): void {
        $told = $page($preloading, $asUser, '/nowhere/libprovident_c.so');
        Check::same([true, 'library-missing'], [$told['restricted'], $told['error'] ?? null]);
    },
    'a server whose library is none starts, and its pages say so' => static function () use (
        $page,
        $package,
        $preloading,
        $asUser,
    ): void {
        $told = $page($preloading, $asUser, "$package/preload.php");
        Check::same([true, 'library-unusable'], [$told['restricted'], $told['error'] ?? null]);
    },
    'a server where FFI is on needs no preloading' => static fn () => Check::same(
        ['cli-server', false, KEY, 1, false, false],
        $served($page(['-d', 'ffi.enable=1'])),
    ),
    'PHP-FPM, the library preloaded by a setting' => static function () use ($fpm, $bySetting, $served): string {
        $pages = $fpm('www-data', $bySetting);
        foreach ($pages as $told) {
            Check::same(['fpm-fcgi', true, KEY, 1, true, true], $served($told));
        }
        return count(array_unique(array_column($pages, 'pid'))) . ' workers answered ' . count($pages) . ' pages';
    },
    'PHP-FPM, only the classes preloaded' => static function () use ($fpm, $preloading, $served): void {
        $options = static fn (string $_, string $user): array =>
            [...$preloading, '-d', "opcache.preload_user=$user"];
        foreach ($fpm('www-data', $options) as $told) {
            Check::same(['fpm-fcgi', true, KEY, 1, false, true], $served($told));
        }
    },
];
