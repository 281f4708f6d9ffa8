<?php

declare(strict_types=1);

namespace Provident\Identity;

use function ord;
use function pack;
use function range;
use function str_split;
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
    private const THREE_ABSENT = "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF";

    /** Lengths under this stand in the table of words. */
    private const SHORT = 256;

    /** Where the heads of records of each class begin in the table of words; the flags, times 8, are added. */
    private const HEADS = [
        'policy' => 256,
        'foundation' => 257,
        'assignment_target' => 258,
        'virtual_assignment_target' => 259,
        'provider_builtin' => 260,
        'provider_default' => 261,
        'unsupported' => 262,
        'unknown' => 263,
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

    /** @var list<string>|null */
    private static ?array $words = null;

    /**
     * Words of four bytes, little-endian: the lengths under 256 in their places, then the head of a record for each
     * class and combination of flags. Looking one up costs less than packing it.
     *
     * @return list<string>
     */
    public static function words(): array
    {
        if (self::$words === null) {
            $numbers = range(0, self::SHORT - 1);
            for ($head = 0; $head < 128; $head++) {
                $numbers[] = $head & 7 | $head >> 3 << 8;
            }
            self::$words = str_split(pack('V*', ...$numbers), 4);
        }
        return self::$words;
    }

    /**
     * One subject as a record.
     *
     * @param list<string> $words as {@see words()} gives them
     */
    public static function record(GovernedSubject $subject, array $words): string
    {
        $identity = $subject->identity;
        $head = self::HEADS[$subject->subjectClass->value];
        if ($identity->builtIn) {
            $head += 8;
        }
        if ($identity->default) {
            $head += 16;
        }
        if ($identity->virtual) {
            $head += 32;
        }
        if ($identity->tenantOwned) {
            $head += 64;
        }
        $provider = $identity->providerKey;
        $resource = $identity->resourceType;
        $id = $identity->providerResourceId;
        $external = $identity->externalId;
        $discriminator = $identity->discriminator;
        $fingerprint = $identity->fingerprint;
        $type = $subject->subjectTypeKey;
        if (
            $external === null && $discriminator === null && $fingerprint === null && $id !== null
            && (strlen($provider) | strlen($resource) | strlen($id) | strlen($type)) < self::SHORT
        ) {
            // As nearly all are: an id and nothing else.
            $absent = self::THREE_ABSENT;
            // One string, however long the line: what is joined of two is copied twice.
            return "{$words[$head]}{$words[strlen($provider)]}{$words[strlen($resource)]}{$words[strlen($id)]}$absent{$words[strlen($type)]}$provider$resource$id$type";
        }
        return $words[$head] . pack(
            'V7',
            strlen($provider),
            strlen($resource),
            $id === null ? self::ABSENT : strlen($id),
            $external === null ? self::ABSENT : strlen($external),
            $discriminator === null ? self::ABSENT : strlen($discriminator),
            $fingerprint === null ? self::ABSENT : strlen($fingerprint),
            strlen($type),
        ) . "$provider$resource$id$external$discriminator$fingerprint$type";
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
                $bytes = ord($answers[$at + 2]);
                if ($answers[$at + 3] !== "\0") {
                    $bytes |= ord($answers[$at + 3]) << 8;
                }
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
