<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * A resource as a candidate for matching or resolution.
 */
final class ProviderResourceDescriptor implements \JsonSerializable
{
    /**
     * @param ResourceIdentity $identity who it is at the provider
     * @param string $subjectDomain the governance domain, `[a-z0-9][a-z0-9_-]{0,63}`; not part of the key
     * @param SubjectClass $subjectClass what kind of thing it is
     * @param string $subjectTypeKey the platform's type of the subject, 1..128 bytes
     * @param SupportLevel $supportLevel how far the platform can go with it
     * @param string|null $displayLabel what people call it; any text; never part of key, canonical form or digest
     * @param string|null $sourceInventoryItemId the inventory item it was made from, 1..128 bytes
     * @param string|null $sourcePolicyVersionId the policy version it was made from, 1..128 bytes
     * @param string|null $sourceOperationRunId the operation run it was seen by, 1..128 bytes
     */
    public function __construct(
        public readonly ResourceIdentity $identity,
        public readonly string $subjectDomain,
        public readonly SubjectClass $subjectClass,
        public readonly string $subjectTypeKey,
        public readonly SupportLevel $supportLevel,
        public readonly ?string $displayLabel = null,
        public readonly ?string $sourceInventoryItemId = null,
        public readonly ?string $sourcePolicyVersionId = null,
        public readonly ?string $sourceOperationRunId = null,
    ) {
    }

    /**
     * Reads a descriptor as JSON writes it.
     *
     * @param array<array-key, mixed> $members
     * @throws IdentityRefused `malformed-request`, `unknown-field`, `invalid-class`, `bad-support-level`
     */
    public static function fromArray(array $members): self
    {
        $read = new Members($members);
        $identity = ResourceIdentity::fromArray($read->members('identity'));
        $domain = $read->required('subject_domain');
        $class = $read->text('subject_class');
        $type = $read->required('subject_type_key');
        $level = $read->text('support_level');
        $label = $read->text('display_label');
        $item = $read->text('source_inventory_item_id');
        $version = $read->text('source_policy_version_id');
        $run = $read->text('source_operation_run_id');
        $read->end();
        $class = Members::subjectClass($class);
        $level = SupportLevel::tryFrom($level ?? '')
            ?? throw new IdentityRefused(Refusal::of(ErrorCode::BadSupportLevel, 'support_level'));
        return new self($identity, $domain, $class, $type, $level, $label, $item, $version, $run);
    }

    /** The subject the descriptor describes. */
    public function subject(): GovernedSubject
    {
        return new GovernedSubject($this->identity, $this->subjectClass, $this->subjectTypeKey);
    }

    /**
     * As JSON writes it: absent members are left out.
     *
     * @return array<string, string|array<string, string|true>>
     */
    public function toArray(): array
    {
        return array_filter([
            'identity' => $this->identity->toArray(),
            'subject_domain' => $this->subjectDomain,
            'subject_class' => $this->subjectClass->value,
            'subject_type_key' => $this->subjectTypeKey,
            'support_level' => $this->supportLevel->value,
            'display_label' => $this->displayLabel,
            'source_inventory_item_id' => $this->sourceInventoryItemId,
            'source_policy_version_id' => $this->sourcePolicyVersionId,
            'source_operation_run_id' => $this->sourceOperationRunId,
        ], static fn (mixed $value): bool => $value !== null);
    }

    /** @return array<string, string|array<string, string|true>> */
    public function jsonSerialize(): array
    {
        return $this->toArray();
    }
}
