<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * A valid descriptor, rendered.
 */
final class Described implements \JsonSerializable
{
    /**
     * @param CanonicalSubjectKey $key the canonical subject key of the resource
     * @param string $canonical RFC 8785 JSON over domain, class, type key, support level and identity without its
     *                          fingerprint
     * @param string $digest `sha256:` and the lower-case hex of SHA-256 over `canonical`
     */
    public function __construct(
        public readonly CanonicalSubjectKey $key,
        public readonly string $canonical,
        public readonly string $digest,
    ) {
    }

    /** @return array{key: string, canonical: string, digest: string} */
    public function jsonSerialize(): array
    {
        return ['key' => $this->key->value, 'canonical' => $this->canonical, 'digest' => $this->digest];
    }
}
