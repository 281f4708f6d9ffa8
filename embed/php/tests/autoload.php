<?php

declare(strict_types=1);

// The package as Composer would load it, without Composer.
spl_autoload_register(static function (string $class): void {
    $folders = [
        'Provident\\Identity\\Tests\\' => __DIR__,
        'Provident\\Identity\\Bench\\' => dirname(__DIR__) . '/bench',
        'Provident\\Identity\\' => dirname(__DIR__) . '/src',
    ];
    foreach ($folders as $prefix => $folder) {
        if (str_starts_with($class, $prefix)) {
            $file = $folder . '/' . strtr(substr($class, strlen($prefix)), '\\', '/') . '.php';
            if (is_file($file)) {
                require $file;
            }
            return;
        }
    }
});
