<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * Every limit, in the unit its name ends with.
 */
final class Limits implements \JsonSerializable
{
    /**
     * @param int $lineBytes a request line, and so one call of `parse`, `describe` or `decide` written as one
     * @param int $batchBytes one batch
     * @param int $keyBytes a canonical subject key
     * @param int $typeBytes a subject type key or resource type
     * @param int $valueBytes an id, external id, discriminator or fingerprint
     * @param int $labelBytes a display label, as adapters cut it
     * @param int $noteChars an operator note, in Unicode scalar values
     */
    public function __construct(
        public readonly int $lineBytes,
        public readonly int $batchBytes,
        public readonly int $keyBytes,
        public readonly int $typeBytes,
        public readonly int $valueBytes,
        public readonly int $labelBytes,
        public readonly int $noteChars,
    ) {
    }

    /** @return array<string, int> */
    public function jsonSerialize(): array
    {
        return [
            'line_bytes' => $this->lineBytes,
            'batch_bytes' => $this->batchBytes,
            'key_bytes' => $this->keyBytes,
            'type_bytes' => $this->typeBytes,
            'value_bytes' => $this->valueBytes,
            'label_bytes' => $this->labelBytes,
            'note_chars' => $this->noteChars,
        ];
    }
}
