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

    private readonly \FFI\CData $out;
    private readonly \FFI\CData $outAddress;
    private readonly \FFI\CData $opened;
    private readonly \FFI\CData $openedAddress;

    private function __construct(private readonly \FFI $ffi)
    {
        // A call is over before the next one begins, so one place for answers is enough.
        $this->out = $ffi->new('provident_bytes');
        $this->outAddress = \FFI::addr($this->out);
        $this->opened = $ffi->new('provident_handle');
        $this->openedAddress = \FFI::addr($this->opened);
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
        $this->answer($this->ffi->provident_identity_open($this->openedAddress, $this->outAddress));
        return $this->opened->cdata;
    }

    public function openIdentityFile(string $path, string $sha256, ?string $cache): int
    {
        $this->answer($this->ffi->provident_identity_open_file(
            $path,
            strlen($path),
            $sha256,
            strlen($sha256),
            $cache,
            strlen($cache ?? ''),
            $this->openedAddress,
            $this->outAddress,
        ));
        return $this->opened->cdata;
    }

    public function openAdapter(string $name): int
    {
        $opened = $this->ffi->provident_adapter_open($name, strlen($name), $this->openedAddress, $this->outAddress);
        $this->answer($opened);
        return $this->opened->cdata;
    }

    public function openAdapterFile(string $path, string $sha256, ?string $cache): int
    {
        $this->answer($this->ffi->provident_adapter_open_file(
            $path,
            strlen($path),
            $sha256,
            strlen($sha256),
            $cache,
            strlen($cache ?? ''),
            $this->openedAddress,
            $this->outAddress,
        ));
        return $this->opened->cdata;
    }

    public function close(int $handle): void
    {
        $this->answer($this->ffi->provident_close($handle, $this->outAddress));
    }

    public function about(int $handle): string
    {
        return $this->answer($this->ffi->provident_about($handle, $this->outAddress));
    }

    public function batch(int $identity, int $adapter, #[\SensitiveParameter] string $lines): string
    {
        return $this->answer(
            $this->ffi->provident_batch($identity, $adapter, $lines, strlen($lines), $this->outAddress),
        );
    }

    public function deriveFlat(int $identity, string $records): string
    {
        return $this->answer(
            $this->ffi->provident_derive_flat($identity, $records, strlen($records), $this->outAddress),
        );
    }

    public function adapt(int $adapter, #[\SensitiveParameter] string $document): string
    {
        return $this->answer(
            $this->ffi->provident_adapt($adapter, $document, strlen($document), $this->outAddress),
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

    /** Takes the answer over from the library and gives its memory back. */
    private function answer(int $status): string
    {
        $out = $this->out;
        $length = $out->length;
        $answer = $length === 0 ? '' : \FFI::string($out->data, $length);
        $this->ffi->provident_bytes_free($out);
        $out->data = null;
        $out->length = 0;
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
