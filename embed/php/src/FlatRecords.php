<?php

declare(strict_types=1);

namespace Provident\Identity;

use function array_flip;
use function array_map;
use function count;
use function pack;
use function range;
use function str_split;
use function strlen;
use function substr;

/**
 * The flat form of deriving: subjects packed into one string, keys read from another. The layout is that of
 * `keys.derive-flat` in the contract.
 *
 * Where the time of a long list goes: what is done for every subject stands in one place and calls nothing it need not.
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

    /** @var array<array-key, int>|null */
    private static ?array $bytes = null;

    /**
     * Derives keys: packs subjects into calls of at most so many bytes, and reads what the calls answer.
     *
     * @param iterable<GovernedSubject> $subjects
     * @param \Closure(string): string $call
     * @return list<CanonicalSubjectKey|Refusal>
     * @throws ComponentFailed if what a call answers is not of the layout
     */
    public static function derive(iterable $subjects, \Closure $call, int $callBytes): array
    {
        $answers = [];
        $records = '';
        $count = 0;
        $words = self::words();
        $absent = self::THREE_ABSENT;
        foreach ($subjects as $subject) {
            if (!$subject instanceof GovernedSubject) {
                throw new \TypeError('a subject is a GovernedSubject, not ' . get_debug_type($subject));
            }
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
            $type = $subject->subjectTypeKey;
            if (
                $id !== null && $identity->externalId === null && $identity->discriminator === null
                && $identity->fingerprint === null
                && (($p = strlen($provider)) | ($r = strlen($resource)) | ($i = strlen($id)) | ($t = strlen($type)))
                    < self::SHORT
            ) {
                // As nearly all are: an id and nothing else. One string, since what is joined of two is copied twice.
                $record = "{$words[$head]}{$words[$p]}{$words[$r]}{$words[$i]}$absent{$words[$t]}$provider$resource$id$type";
            } else {
                $record = $words[$head] . self::texts($subject);
            }
            if (strlen($records) + strlen($record) > $callBytes) {
                if ($records !== '') {
                    self::read($call($records), $answers);
                    $records = '';
                }
                if (strlen($record) > $callBytes) {
                    $answers[] = Refusal::of(ErrorCode::RequestTooLarge, 'request');
                    $count++;
                    continue;
                }
            }
            $records .= $record;
            $count++;
        }
        if ($records !== '') {
            self::read($call($records), $answers);
        }
        if (count($answers) !== $count) {
            throw self::unreadable();
        }
        return $answers;
    }

    /**
     * Words of four bytes, little-endian: the lengths under 256 in their places, then the head of a record for each
     * class and combination of flags. Looking one up costs less than packing it.
     *
     * @return list<string>
     */
    private static function words(): array
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

    /** The lengths of all texts of a subject, and the texts. */
    private static function texts(GovernedSubject $subject): string
    {
        $identity = $subject->identity;
        $id = $identity->providerResourceId;
        $external = $identity->externalId;
        $discriminator = $identity->discriminator;
        $fingerprint = $identity->fingerprint;
        return pack(
            'V7',
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
    private static function read(string $answers, array &$answered): void
    {
        // Every byte by its character: looking it up costs less than calling ord().
        $bytes = self::$bytes ??= array_flip(array_map(chr(...), range(0, 255)));
        $length = strlen($answers);
        $at = 0;
        while ($at + 4 <= $length) {
            if ($answers[$at] === "\0") {
                $keyBytes = $bytes[$answers[$at + 2]];
                if ($answers[$at + 3] !== "\0") {
                    $keyBytes |= $bytes[$answers[$at + 3]] << 8;
                }
                $at += 4;
                $answered[] = CanonicalSubjectKey::fromStored(substr($answers, $at, $keyBytes));
                $at += $keyBytes;
            } else {
                $code = ErrorCode::cases()[$bytes[$answers[$at]] - 1] ?? null;
                $field = self::FIELDS[$bytes[$answers[$at + 1]]] ?? null;
                if ($code === null || $field === null) {
                    break;
                }
                $answered[] = Refusal::of($code, $field);
                $at += 4;
            }
        }
        if ($at !== $length) {
            throw self::unreadable();
        }
    }

    private static function unreadable(): ComponentFailed
    {
        return new ComponentFailed('component-unusable', null, 'the answers are not of the layout of the contract');
    }
}
