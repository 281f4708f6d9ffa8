<?php

declare(strict_types=1);

namespace Provident\Identity\Bench;

use Provident\Identity\CanonicalSubjectKey;
use Provident\Identity\ErrorCode;
use Provident\Identity\GovernedSubject;
use Provident\Identity\Refusal;
use Provident\Identity\ResourceIdentity;
use Provident\Identity\SubjectClass;

use function preg_match;
use function rawurlencode;
use function strlen;

/**
 * The rules of deriving a key, written in PHP by hand, in the order of the key grammar: what the package is measured
 * against. Nothing but the measurement uses it, and a test holds it to every vector.
 *
 * Ordinary code, as it is written for production the first time: every text is held to every rule. {@see Tuned} is the
 * same with all that makes it fast.
 */
final class HandWritten
{
    private const TYPE_BYTES = 128;
    private const VALUE_BYTES = 512;
    private const KEY_BYTES = 1_024;

    private const PROVIDER_KEY = '/\A[a-z0-9][a-z0-9_-]{0,63}\z/';
    private const DISCRIMINATOR = '/\A[a-z0-9][a-z0-9._-]*+\z/';
    private const WHITE_SPACE = '\x{9}-\x{D}\x{20}\x{85}\x{A0}\x{1680}'
        . '\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}';
    private const CONTROL = '\x{0}-\x{1F}\x{7F}-\x{9F}';
    private const NONCHARACTER = '\x{FDD0}-\x{FDEF}'
        . '\x{FFFE}\x{FFFF}\x{1FFFE}\x{1FFFF}\x{2FFFE}\x{2FFFF}\x{3FFFE}\x{3FFFF}'
        . '\x{4FFFE}\x{4FFFF}\x{5FFFE}\x{5FFFF}\x{6FFFE}\x{6FFFF}\x{7FFFE}\x{7FFFF}\x{8FFFE}\x{8FFFF}\x{9FFFE}\x{9FFFF}'
        . '\x{AFFFE}\x{AFFFF}\x{BFFFE}\x{BFFFF}\x{CFFFE}\x{CFFFF}\x{DFFFE}\x{DFFFF}\x{EFFFE}\x{EFFFF}\x{FFFFE}\x{FFFFF}'
        . '\x{10FFFE}\x{10FFFF}';
    public const IS_SURROUNDED = '/\A[' . self::WHITE_SPACE . ']|[' . self::WHITE_SPACE . ']\z/u';
    public const HAS_CONTROL = '/[' . self::CONTROL . ']/u';
    private const HAS_NONCHARACTER = '/[' . self::NONCHARACTER . ']/u';
    /** Any of the three; only {@see Tuned} asks so. */
    public const FAULTY = '/\A[' . self::WHITE_SPACE . ']|[' . self::WHITE_SPACE . ']\z|['
        . self::CONTROL . self::NONCHARACTER . ']/u';

    public const TOKENS = [
        'policy' => 'policy',
        'foundation' => 'foundation',
        'assignment_target' => 'assignment-target',
        'virtual_assignment_target' => 'virtual-target',
        'provider_builtin' => 'builtin',
        'provider_default' => 'default',
        'unsupported' => 'unsupported',
        'unknown' => 'unknown',
    ];

    /**
     * @param list<GovernedSubject> $subjects
     * @return list<CanonicalSubjectKey|Refusal>
     */
    public static function deriveMany(array $subjects): array
    {
        return array_map(self::derive(...), $subjects);
    }

    public static function derive(GovernedSubject $subject): CanonicalSubjectKey|Refusal
    {
        $identity = $subject->identity;
        $class = $subject->subjectClass;
        $refusal = self::judgeTexts($subject) ?? self::judgeFlags($identity, $class);
        if ($refusal !== null) {
            return $refusal;
        }
        $own = self::formAndValue($identity, $class);
        if ($own instanceof Refusal) {
            return $own;
        }
        [$form, $value] = $own;
        $token = self::TOKENS[$class->value];
        $type = self::escape($subject->subjectTypeKey);
        $resourceType = self::escape($identity->resourceType);
        $value = self::escape($value);
        $key = "provider:{$identity->providerKey}:$token:$type:$resourceType:$form:$value";
        if (strlen($key) > self::KEY_BYTES) {
            return Refusal::of(ErrorCode::KeyTooLong, 'key');
        }
        return CanonicalSubjectKey::fromStored($key);
    }

    private static function judgeTexts(GovernedSubject $subject): ?Refusal
    {
        $identity = $subject->identity;
        return self::judge($identity->providerKey, 'provider_key', null)
            ?? self::judgeProviderKey($identity->providerKey)
            ?? self::judge($identity->resourceType, 'resource_type', self::TYPE_BYTES)
            ?? self::judgeGiven($identity->providerResourceId, 'provider_resource_id')
            ?? self::judgeGiven($identity->externalId, 'external_id')
            ?? self::judgeGiven($identity->discriminator, 'discriminator')
            ?? self::judgeDiscriminator($identity->discriminator)
            ?? self::judgeGiven($identity->fingerprint, 'fingerprint')
            ?? self::judge($subject->subjectTypeKey, 'subject_type_key', self::TYPE_BYTES);
    }

    /** The rules every text is held to. */
    private static function judge(string $text, string $field, ?int $limitBytes): ?Refusal
    {
        $code = match (true) {
            $text === '' => ErrorCode::EmptyField,
            preg_match('//u', $text) !== 1 => ErrorCode::InvalidUtf8,
            preg_match(self::IS_SURROUNDED, $text) === 1 => ErrorCode::SurroundingWhitespace,
            preg_match(self::HAS_CONTROL, $text) === 1 => ErrorCode::ControlCharacter,
            preg_match(self::HAS_NONCHARACTER, $text) === 1 => ErrorCode::Noncharacter,
            $limitBytes !== null && strlen($text) > $limitBytes => ErrorCode::FieldTooLong,
            default => null,
        };
        return $code === null ? null : Refusal::of($code, $field);
    }

    private static function judgeGiven(?string $text, string $field): ?Refusal
    {
        return $text === null ? null : self::judge($text, $field, self::VALUE_BYTES);
    }

    private static function judgeProviderKey(string $text): ?Refusal
    {
        return preg_match(self::PROVIDER_KEY, $text) === 1
            ? null
            : Refusal::of(ErrorCode::BadProviderKey, 'provider_key');
    }

    private static function judgeDiscriminator(?string $text): ?Refusal
    {
        return $text === null || preg_match(self::DISCRIMINATOR, $text) === 1
            ? null
            : Refusal::of(ErrorCode::BadDiscriminator, 'discriminator');
    }

    private static function judgeFlags(ResourceIdentity $identity, SubjectClass $class): ?Refusal
    {
        $providerOwned = self::isProviderOwned($identity);
        if ($providerOwned && $identity->tenantOwned) {
            return Refusal::of(ErrorCode::ConflictingFlags, 'tenant_owned');
        }
        if (
            (self::isByDiscriminator($class) && $identity->tenantOwned)
            || (self::isById($class) && $providerOwned)
        ) {
            return Refusal::of(ErrorCode::ClassIdentityMismatch, 'subject_class');
        }
        return null;
    }

    /** @return array{string, string}|Refusal by what the subject is known; the value is not escaped yet */
    private static function formAndValue(ResourceIdentity $identity, SubjectClass $class): array|Refusal
    {
        if (self::isByDiscriminator($class) || self::isProviderOwned($identity)) {
            return $identity->discriminator === null
                ? Refusal::of(ErrorCode::MissingDiscriminator, 'discriminator')
                : ['disc', $identity->discriminator];
        }
        if ($identity->providerResourceId !== null) {
            return ['id', $identity->providerResourceId];
        }
        if ($identity->externalId !== null) {
            return ['ext', $identity->externalId];
        }
        if ($identity->discriminator !== null && !self::isById($class) && !$identity->tenantOwned) {
            return ['disc', $identity->discriminator];
        }
        return Refusal::of(ErrorCode::MissingIdentity, 'provider_resource_id');
    }

    private static function isProviderOwned(ResourceIdentity $identity): bool
    {
        return $identity->builtIn || $identity->default || $identity->virtual;
    }

    private static function isById(SubjectClass $class): bool
    {
        return match ($class) {
            SubjectClass::Policy, SubjectClass::Foundation, SubjectClass::AssignmentTarget => true,
            default => false,
        };
    }

    private static function isByDiscriminator(SubjectClass $class): bool
    {
        return match ($class) {
            SubjectClass::VirtualAssignmentTarget, SubjectClass::ProviderBuiltin, SubjectClass::ProviderDefault => true,
            default => false,
        };
    }

    /** What has to be escaped is exactly what `rawurlencode` escapes. */
    private static function escape(string $text): string
    {
        return rawurlencode($text);
    }
}
