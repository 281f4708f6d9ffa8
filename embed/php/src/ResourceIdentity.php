<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * What identifies a resource at its provider. No display name has a place here.
 *
 * Texts are UTF-8 and opaque: nothing is trimmed or folded. The component checks them, not this class.
 */
final class ResourceIdentity implements \JsonSerializable
{
    /**
     * @param string $providerKey the provider, `[a-z0-9][a-z0-9_-]{0,63}`
     * @param string $resourceType the provider's type of the resource, 1..128 bytes
     * @param string|null $providerResourceId the provider's id, 1..512 bytes
     * @param string|null $externalId an id from elsewhere, 1..512 bytes
     * @param string|null $discriminator the canonical name of a resource without a portable id,
     *                                   `[a-z0-9][a-z0-9._-]*`, 1..512 bytes
     * @param string|null $fingerprint a digest of the content, 1..512 bytes; never part of a key
     * @param bool $builtIn shipped by the provider
     * @param bool $default a provider's default configuration
     * @param bool $virtual has no stored object behind it
     * @param bool $tenantOwned made in and owned by the tenant
     */
    public function __construct(
        public readonly string $providerKey,
        public readonly string $resourceType,
        public readonly ?string $providerResourceId = null,
        public readonly ?string $externalId = null,
        public readonly ?string $discriminator = null,
        public readonly ?string $fingerprint = null,
        public readonly bool $builtIn = false,
        public readonly bool $default = false,
        public readonly bool $virtual = false,
        public readonly bool $tenantOwned = false,
    ) {
    }

    /**
     * Reads an identity as JSON writes it. An absent required text reads as empty, which the component refuses.
     *
     * @param array<array-key, mixed> $members
     * @throws IdentityRefused `malformed-request`, `unknown-field`
     */
    public static function fromArray(array $members): self
    {
        $read = new Members($members);
        $identity = new self(
            $read->required('provider_key'),
            $read->required('resource_type'),
            $read->text('provider_resource_id'),
            $read->text('external_id'),
            $read->text('discriminator'),
            $read->text('fingerprint'),
            $read->flag('built_in'),
            $read->flag('default'),
            $read->flag('virtual'),
            $read->flag('tenant_owned'),
        );
        $read->end();
        return $identity;
    }

    /**
     * As JSON writes it: absent texts and flags that are not set are left out.
     *
     * @return array<string, string|true>
     */
    public function toArray(): array
    {
        return array_filter([
            'provider_key' => $this->providerKey,
            'resource_type' => $this->resourceType,
            'provider_resource_id' => $this->providerResourceId,
            'external_id' => $this->externalId,
            'discriminator' => $this->discriminator,
            'fingerprint' => $this->fingerprint,
            'built_in' => $this->builtIn,
            'default' => $this->default,
            'virtual' => $this->virtual,
            'tenant_owned' => $this->tenantOwned,
        ], static fn (mixed $value): bool => $value !== null && $value !== false);
    }

    /** @return array<string, string|true> */
    public function jsonSerialize(): array
    {
        return $this->toArray();
    }
}
