<?php

declare(strict_types=1);

/*
 * For PHP-FPM and other servers, where `ffi.enable=preload` lets nobody but preloaded files call libraries:
 *
 *     opcache.preload=/path/to/vendor/provident/identity/preload.php
 *
 * Compiles every class of the package, and loads the library once, before the server forks, where PHP allows it: not
 * under `opcache.preload_user`, where the setting `ffi.preload` does it (README.md). Without either, each request loads
 * the library by its path. Nothing is opened and no thread is started here: each worker opens its components itself.
 */

namespace Provident\Identity;

(static function (): void {
    $autoload = static function (string $class): void {
        if (str_starts_with($class, __NAMESPACE__ . '\\')) {
            require_once __DIR__ . '/src/' . substr($class, strlen(__NAMESPACE__) + 1) . '.php';
        }
    };
    // Some classes extend others, which then have to be there.
    spl_autoload_register($autoload);
    foreach (glob(__DIR__ . '/src/*.php') as $file) {
        require_once $file;
    }
    spl_autoload_unregister($autoload);

    try {
        \FFI::scope(Library::SCOPE);
        // The setting `ffi.preload` has loaded it.
        return;
    } catch (\FFI\Exception) {
    }
    $header = tempnam(sys_get_temp_dir(), 'provident');
    try {
        file_put_contents($header, Library::preloadHeader());
        \FFI::load($header);
    } catch (\FFI\Exception | ProvidentException $error) {
        // The server serves other pages, too. Those that need the library are told by a typed error.
        if ($error instanceof ProvidentException || ini_get('opcache.preload_user') === '') {
            error_log("Provident's library is not preloaded: {$error->getMessage()}");
        }
    } finally {
        unlink($header);
    }
})();
