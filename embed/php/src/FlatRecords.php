<?php

declare(strict_types=1);

namespace Provident\Identity;

use function ord;
use function pack;
use function strlen;
use function substr;

/**
 * The flat form of deriving: subjects packed into one string, keys read from another. The layout is that of
 * `keys.derive-flat` in the contract.
 *
 * What is written once per subject stands in one method each and calls nothing it need not: this is where the time of
 * a long list goes.
 *
 * @internal
 */
final class FlatRecords
{
    private const ABSENT = 0xFFFFFFFF;

    /** The place of each class in the contract, by its name. */
    private const PLACES = [
        'policy' => 0,
        'foundation' => 1,
        'assignment_target' => 2,
        'virtual_assignment_target' => 3,
        'provider_builtin' => 4,
        'provider_default' => 5,
        'unsupported' => 6,
        'unknown' => 7,
    ];

    /** Where a refusal points, by its number. */
    private const FIELDS = [
        '',
        'provider_key',
        'resource_type',
        'provider_resource_id',
        'external_id',
        'discriminator',
        'fingerprint',
        'subject_type_key',
        'subject_class',
        'tenant_owned',
        'key',
        'request',
    ];

    /** One subject as a record. */
    public static function record(GovernedSubject $subject): string
    {
        $identity = $subject->identity;
        // The second byte, in place.
        $head = self::PLACES[$subject->subjectClass->value];
        if ($identity->builtIn) {
            $head |= 0x100;
        }
        if ($identity->default) {
            $head |= 0x200;
        }
        if ($identity->virtual) {
            $head |= 0x400;
        }
        if ($identity->tenantOwned) {
            $head |= 0x800;
        }
        $id = $identity->providerResourceId;
        $external = $identity->externalId;
        $discriminator = $identity->discriminator;
        $fingerprint = $identity->fingerprint;
        return pack(
            'V8',
            $head,
            strlen($identity->providerKey),
            strlen($identity->resourceType),
            $id === null ? self::ABSENT : strlen($id),
            $external === null ? self::ABSENT : strlen($external),
            $discriminator === null ? self::ABSENT : strlen($discriminator),
            $fingerprint === null ? self::ABSENT : strlen($fingerprint),
            strlen($subject->subjectTypeKey),
        ) . "{$identity->providerKey}{$identity->resourceType}"
            . "$id$external$discriminator$fingerprint{$subject->subjectTypeKey}";
    }

    /**
     * Reads the answers and puts them at the end of `$answered`.
     *
     * @param list<CanonicalSubjectKey|Refusal> $answered
     * @throws ComponentFailed if they are not of the layout
     */
    public static function read(string $answers, array &$answered): void
    {
        $length = strlen($answers);
        $at = 0;
        while ($at + 4 <= $length) {
            if ($answers[$at] === "\0") {
                $bytes = ord($answers[$at + 2]) | ord($answers[$at + 3]) << 8;
                $at += 4;
                $answered[] = CanonicalSubjectKey::fromStored(substr($answers, $at, $bytes));
                $at += $bytes;
            } else {
                $code = ErrorCode::cases()[ord($answers[$at]) - 1] ?? null;
                $field = self::FIELDS[ord($answers[$at + 1])] ?? null;
                if ($code === null || $field === null) {
                    break;
                }
                $answered[] = Refusal::of($code, $field);
                $at += 4;
            }
        }
        if ($at !== $length) {
            throw new ComponentFailed('component-unusable', null, 'an answer is not of the layout of the contract');
        }
    }
}
