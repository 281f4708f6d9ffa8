<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * The C library, loaded: bytes in, bytes out. It knows handles and nothing of what the bytes say.
 *
 * It is found by an explicit path, else by the environment variable `PROVIDENT_LIBRARY`, else in the folder `lib` of
 * this package. Where `preload.php` was run, PHP-FPM has it already. Loaded once per process and path.
 *
 * @internal
 */
final class Library
{
    /** The name under which a preloaded library is known. */
    public const SCOPE = 'PROVIDENT_IDENTITY_1';

    /** @var array<string, self> by path; the preloaded one by '' */
    private static array $loaded = [];

    private readonly \FFI\CType $bytes;
    private readonly \FFI\CType $handle;

    private function __construct(private readonly \FFI $ffi)
    {
        $this->bytes = $ffi->type('provident_bytes');
        $this->handle = $ffi->type('provident_handle');
    }

    /**
     * @throws LibraryMissing
     * @throws LibraryUnusable
     */
    public static function load(?string $path = null): self
    {
        if (!extension_loaded('ffi')) {
            throw new LibraryUnusable('PHP has no FFI extension');
        }
        if ($path === null && isset(self::$loaded[''])) {
            return self::$loaded[''];
        }
        if ($path === null) {
            try {
                return self::$loaded[''] = new self(\FFI::scope(self::SCOPE));
            } catch (\FFI\Exception) {
                // Nothing was preloaded, or not for this process.
            }
        }
        $path = self::find($path);
        return self::$loaded[$path] ??= self::open($path);
    }

    /**
     * Where the library is.
     *
     * @throws LibraryMissing
     */
    public static function find(?string $path = null): string
    {
        $source = 'the path given';
        if ($path === null) {
            $path = (string) getenv('PROVIDENT_LIBRARY');
            $source = 'PROVIDENT_LIBRARY';
        }
        if ($path === '' && $source === 'PROVIDENT_LIBRARY') {
            $name = match (PHP_OS_FAMILY) {
                'Windows' => 'provident_c.dll',
                'Darwin' => 'libprovident_c.dylib',
                default => 'libprovident_c.so',
            };
            $path = dirname(__DIR__) . "/lib/$name";
            $source = 'the folder of the package; PROVIDENT_LIBRARY is not set';
        }
        $found = is_file($path) ? realpath($path) : false;
        return $found === false ? throw new LibraryMissing($source, $path) : $found;
    }

    /** What is declared of the library, in C. */
    public static function header(): string
    {
        return (string) file_get_contents(__DIR__ . '/provident.h');
    }

    /**
     * The same for `ffi.preload` and `FFI::load()`, which read in the header itself what to load.
     *
     * @throws LibraryMissing
     * @throws LibraryUnusable
     */
    public static function preloadHeader(?string $path = null): string
    {
        $path = self::find($path);
        if (preg_match('/["\\\\\x00-\x1F]/', $path) === 1) {
            throw new LibraryUnusable('the path of the library cannot be written in a header');
        }
        return '#define FFI_SCOPE "' . self::SCOPE . "\"\n#define FFI_LIB \"$path\"\n" . self::header();
    }

    /** The library's own version. */
    public function version(): string
    {
        return $this->ffi->provident_version();
    }

    public function openIdentity(): int
    {
        return $this->opened(
            fn (\FFI\CData $opened, \FFI\CData $out): int => $this->ffi->provident_identity_open($opened, $out),
        );
    }

    public function openIdentityFile(string $path, string $sha256, ?string $cache): int
    {
        return $this->opened(fn (\FFI\CData $opened, \FFI\CData $out): int => $this->ffi->provident_identity_open_file(
            $path,
            strlen($path),
            $sha256,
            strlen($sha256),
            $cache,
            strlen($cache ?? ''),
            $opened,
            $out,
        ));
    }

    public function openAdapter(string $name): int
    {
        return $this->opened(
            fn (\FFI\CData $opened, \FFI\CData $out): int =>
                $this->ffi->provident_adapter_open($name, strlen($name), $opened, $out),
        );
    }

    public function openAdapterFile(string $path, string $sha256, ?string $cache): int
    {
        return $this->opened(fn (\FFI\CData $opened, \FFI\CData $out): int => $this->ffi->provident_adapter_open_file(
            $path,
            strlen($path),
            $sha256,
            strlen($sha256),
            $cache,
            strlen($cache ?? ''),
            $opened,
            $out,
        ));
    }

    public function close(int $handle): void
    {
        $this->answer(fn (\FFI\CData $out): int => $this->ffi->provident_close($handle, $out));
    }

    public function about(int $handle): string
    {
        return $this->answer(fn (\FFI\CData $out): int => $this->ffi->provident_about($handle, $out));
    }

    public function batch(int $identity, int $adapter, #[\SensitiveParameter] string $lines): string
    {
        return $this->answer(
            fn (\FFI\CData $out): int =>
                $this->ffi->provident_batch($identity, $adapter, $lines, strlen($lines), $out),
        );
    }

    public function deriveFlat(int $identity, string $records): string
    {
        return $this->answer(
            fn (\FFI\CData $out): int =>
                $this->ffi->provident_derive_flat($identity, $records, strlen($records), $out),
        );
    }

    public function adapt(int $adapter, #[\SensitiveParameter] string $document): string
    {
        return $this->answer(
            fn (\FFI\CData $out): int => $this->ffi->provident_adapt($adapter, $document, strlen($document), $out),
        );
    }

    private static function open(string $path): self
    {
        try {
            $library = new self(\FFI::cdef(self::header(), $path));
            self::keep($path);
            return $library;
        } catch (\FFI\Exception $error) {
            throw new LibraryUnusable($error->getMessage());
        }
    }

    /**
     * Keeps the library in this process. PHP would unload it at the end of each request, and with it what is compiled
     * and shared in it.
     */
    private static function keep(string $path): void
    {
        if (PHP_OS_FAMILY !== 'Windows') {
            // 1 is RTLD_LAZY. Opened once more than it is closed, it stays.
            \FFI::cdef('void *dlopen(const char *path, int mode);')->dlopen($path, 1);
        }
    }

    /**
     * The number of what a call opens.
     *
     * @param \Closure(\FFI\CData, \FFI\CData): int $call given the places for the number and the answer
     */
    private function opened(\Closure $call): int
    {
        $opened = $this->ffi->new($this->handle);
        $this->answer(static fn (\FFI\CData $out): int => $call(\FFI::addr($opened), $out));
        return $opened->cdata;
    }

    /**
     * Takes the answer of a call over from the library and gives its memory back.
     *
     * Each call has a place of its own: a signal handler or a destructor may make another call before this one's
     * answer is read.
     *
     * @param \Closure(\FFI\CData): int $call given the place for the answer
     */
    private function answer(#[\SensitiveParameter] \Closure $call): string
    {
        $out = $this->ffi->new($this->bytes);
        try {
            $status = $call(\FFI::addr($out));
            $answer = $out->length === 0 ? '' : \FFI::string($out->data, $out->length);
        } finally {
            $this->ffi->provident_bytes_free($out);
        }
        if ($status === 0) {
            return $answer;
        }
        $refused = json_decode($answer, true);
        if (!is_array($refused)) {
            throw new ComponentFailed('component-unusable', null, "the library answered $status, and nothing else");
        }
        $code = (string) ($refused['code'] ?? 'component-unusable');
        if ($code === 'handle-closed') {
            throw new HandleClosed('component');
        }
        $field = $refused['field'] ?? null;
        $message = (string) ($refused['message'] ?? 'the library gives no reason');
        throw new ComponentFailed($code, is_string($field) && $field !== '' ? $field : null, $message);
    }
}
