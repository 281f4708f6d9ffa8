<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * What an opened adapter is.
 */
final class AdapterDescription
{
    /**
     * @param string $component its name
     * @param string $componentSha256 SHA-256 of the component file, lower-case hex
     * @param string $engine what runs it, with version
     * @param string $libraryVersion the version of the C library
     * @param string $providerKey the provider it speaks for
     * @param string $version its own version
     * @param list<string> $entityTypes the provider's types it knows, sorted
     */
    public function __construct(
        public readonly string $component,
        public readonly string $componentSha256,
        public readonly string $engine,
        public readonly string $libraryVersion,
        public readonly string $providerKey,
        public readonly string $version,
        public readonly array $entityTypes,
    ) {
    }
}
