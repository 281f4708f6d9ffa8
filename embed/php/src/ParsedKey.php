<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * A key, taken apart. Texts are decoded.
 */
final class ParsedKey implements \JsonSerializable
{
    /**
     * @param string $providerKey the provider
     * @param SubjectClass $subjectClass what kind of thing the subject is
     * @param string $subjectTypeKey the platform's type of the subject
     * @param string $resourceType the provider's type of the resource
     * @param KeyForm $form which identity the key carries
     * @param string $value that identity
     */
    public function __construct(
        public readonly string $providerKey,
        public readonly SubjectClass $subjectClass,
        public readonly string $subjectTypeKey,
        public readonly string $resourceType,
        public readonly KeyForm $form,
        public readonly string $value,
    ) {
    }

    /** @return array<string, string> */
    public function jsonSerialize(): array
    {
        return [
            'provider_key' => $this->providerKey,
            'subject_class' => $this->subjectClass->value,
            'subject_type_key' => $this->subjectTypeKey,
            'resource_type' => $this->resourceType,
            'form' => $this->form->value,
            'value' => $this->value,
        ];
    }
}
