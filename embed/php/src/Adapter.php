<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * One provider's knowledge, open: turns raw objects, as the provider exports or returns them, into descriptors.
 */
final class Adapter
{
    /** What one document may have. */
    public const DOCUMENT_BYTES = 8 << 20;

    private function __construct(private readonly Handle $handle)
    {
    }

    /**
     * Opens an adapter that is inside the library; nothing is compiled.
     *
     * @param string $name as the library knows it
     * @param string|null $library as for {@see Identity::open()}
     * @throws LibraryMissing
     * @throws LibraryUnusable
     * @throws ComponentFailed `component-unknown`
     */
    public static function open(string $name, ?string $library = null): self
    {
        $library = Library::load($library);
        return new self(new Handle($library, 'adapter', $library->openAdapter($name)));
    }

    /**
     * Compiles and opens an adapter's component file, which must be the one that was pinned.
     *
     * @param string $path of the component file
     * @param string $sha256 of the file, lower-case hex
     * @param string|null $cache a folder that keeps what was compiled; without it every process compiles
     * @throws LibraryMissing
     * @throws LibraryUnusable
     * @throws ComponentFailed `component-digest-mismatch`, `component-unusable`
     */
    public static function openFile(
        string $path,
        string $sha256,
        ?string $cache = null,
        ?string $library = null,
    ): self {
        $library = Library::load($library);
        return new self(new Handle($library, 'adapter', $library->openAdapterFile($path, $sha256, $cache)));
    }

    /**
     * Describes every object of a raw document of one object or many, in order. A refused object never spoils the
     * others; its refusal has its position.
     *
     * @param string $document JSON, at most 8 MiB
     * @return list<ProviderResourceDescriptor|Refusal>
     * @throws IdentityRefused `invalid-utf8`
     * @throws ComponentFailed `input-too-large`
     * @throws HandleClosed
     */
    public function describe(#[\SensitiveParameter] string $document): array
    {
        $number = $this->handle->number();
        if (strlen($document) > self::DOCUMENT_BYTES) {
            $message = 'the document has ' . strlen($document) . ' bytes, over ' . self::DOCUMENT_BYTES;
            throw new ComponentFailed('input-too-large', null, $message);
        }
        if (!Text::isUtf8($document)) {
            throw new IdentityRefused(Refusal::of(ErrorCode::InvalidUtf8, 'document'));
        }
        $answer = json_decode($this->handle->library->adapt($number, $document), true, 32, JSON_THROW_ON_ERROR);
        return array_map(self::item(...), $answer['items']);
    }

    /**
     * What the adapter is.
     *
     * @throws ComponentFailed
     * @throws HandleClosed
     */
    public function about(): AdapterDescription
    {
        $about = json_decode($this->handle->library->about($this->handle->number()), true, 16, JSON_THROW_ON_ERROR);
        return new AdapterDescription(
            $about['component'],
            $about['component_sha256'],
            $about['engine'],
            $about['library_version'],
            $about['provider_key'],
            $about['version'],
            $about['entity_types'],
        );
    }

    /** Closes the adapter. What is asked later is refused with {@see HandleClosed}; closing twice does nothing. */
    public function close(): void
    {
        $this->handle->close();
    }

    /** @internal */
    public function handle(): Handle
    {
        return $this->handle;
    }

    private function __clone()
    {
    }

    /** @param array<string, array<string, mixed>> $item */
    private static function item(array $item): ProviderResourceDescriptor|Refusal
    {
        if (isset($item['descriptor'])) {
            return ProviderResourceDescriptor::fromArray($item['descriptor']);
        }
        $error = $item['error'];
        return new Refusal(ErrorCode::from($error['code']), $error['field'], $error['message'], $error['position']);
    }
}
