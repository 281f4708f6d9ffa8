<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * What an opened identity component is.
 */
final class IdentityDescription
{
    /**
     * @param string $component its name
     * @param string $componentSha256 SHA-256 of the component file, lower-case hex
     * @param string $engine what runs it, with version
     * @param string $libraryVersion the version of the C library
     * @param int $grammarVersion the version of the key grammar
     * @param string $contractVersion the version of the contract
     */
    public function __construct(
        public readonly string $component,
        public readonly string $componentSha256,
        public readonly string $engine,
        public readonly string $libraryVersion,
        public readonly int $grammarVersion,
        public readonly string $contractVersion,
        public readonly Limits $limits,
    ) {
    }
}
