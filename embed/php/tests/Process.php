<?php

declare(strict_types=1);

namespace Provident\Identity\Tests;

/**
 * Runs programs.
 */
final class Process
{
    /**
     * Runs a program to its end.
     *
     * @param list<string> $command
     * @param array<string, string> $environment beside that of this process
     * @return array{status: int, stdout: string, stderr: string}
     */
    public static function run(array $command, string $input = '', array $environment = []): array
    {
        // Files, so that neither side waits for the other.
        $files = array_map(static fn () => tmpfile(), [0, 1, 2]);
        fwrite($files[0], $input);
        rewind($files[0]);
        $process = proc_open($command, $files, $pipes, null, $environment + getenv());
        $status = proc_close($process);
        rewind($files[1]);
        rewind($files[2]);
        return [
            'status' => $status,
            'stdout' => (string) stream_get_contents($files[1]),
            'stderr' => (string) stream_get_contents($files[2]),
        ];
    }

    /** A new folder, which is removed in the end. */
    public static function folder(): string
    {
        $folder = sys_get_temp_dir() . '/provident-php-' . bin2hex(random_bytes(6));
        mkdir($folder, 0700);
        register_shutdown_function(static fn () => self::remove($folder));
        return $folder;
    }

    private static function remove(string $folder): void
    {
        foreach (array_diff(scandir($folder), ['.', '..']) as $name) {
            $path = "$folder/$name";
            is_dir($path) && !is_link($path) ? self::remove($path) : unlink($path);
        }
        rmdir($folder);
    }
}
