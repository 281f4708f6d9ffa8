<?php

declare(strict_types=1);

namespace Provident\Identity\Bench;

use Provident\Identity\CanonicalSubjectKey;
use Provident\Identity\ErrorCode;
use Provident\Identity\GovernedSubject;
use Provident\Identity\Refusal;
use Provident\Identity\SubjectClass;

use function preg_match;
use function rawurlencode;
use function strlen;

/**
 * The rules of deriving a key, written in PHP by hand, as fast as PHP lets them be: those of {@see HandWritten}, held to
 * the same vectors.
 *
 * A text that escaping leaves as it is has no byte a rule could object to, so escaping comes first and is most of the
 * checking; `rawurlencode` escapes exactly what the grammar wants escaped.
 */
final class Tuned
{
    // Not those of `HandWritten`: PHP is faster with a class's own literals, which it puts in place when it compiles.
    private const TYPE_BYTES = 128;
    private const VALUE_BYTES = 512;
    private const KEY_BYTES = 1_024;
    private const PROVIDER_KEY = '/\A[a-z0-9][a-z0-9_-]{0,63}\z/';
    private const DISCRIMINATOR = '/\A[a-z0-9][a-z0-9._-]*+\z/';

    /**
     * @param list<GovernedSubject> $subjects
     * @return list<CanonicalSubjectKey|Refusal>
     */
    public static function deriveMany(array $subjects): array
    {
        $answers = [];
        foreach ($subjects as $subject) {
            $answers[] = self::derive($subject);
        }
        return $answers;
    }

    public static function derive(GovernedSubject $subject): CanonicalSubjectKey|Refusal
    {
        $identity = $subject->identity;
        $provider = $identity->providerKey;
        if (preg_match(self::PROVIDER_KEY, $provider) !== 1) {
            return self::fault($provider, 'provider_key', PHP_INT_MAX)
                ?? Refusal::of(ErrorCode::BadProviderKey, 'provider_key');
        }
        $resourceType = $identity->resourceType;
        $escapedResourceType = rawurlencode($resourceType);
        if (
            $resourceType !== $escapedResourceType || $resourceType === '' || strlen($resourceType) > self::TYPE_BYTES
        ) {
            $fault = self::fault($resourceType, 'resource_type', self::TYPE_BYTES);
            if ($fault !== null) {
                return $fault;
            }
        }
        $own = null;
        $form = 'id';
        $id = $identity->providerResourceId;
        if ($id !== null) {
            $own = rawurlencode($id);
            if ($id !== $own || $id === '' || strlen($id) > self::VALUE_BYTES) {
                $fault = self::fault($id, 'provider_resource_id', self::VALUE_BYTES);
                if ($fault !== null) {
                    return $fault;
                }
            }
        }
        $external = $identity->externalId;
        if ($external !== null) {
            $escaped = rawurlencode($external);
            if ($external !== $escaped || $external === '' || strlen($external) > self::VALUE_BYTES) {
                $fault = self::fault($external, 'external_id', self::VALUE_BYTES);
                if ($fault !== null) {
                    return $fault;
                }
            }
            if ($own === null) {
                $own = $escaped;
                $form = 'ext';
            }
        }
        $discriminator = $identity->discriminator;
        if (
            $discriminator !== null
            && (preg_match(self::DISCRIMINATOR, $discriminator) !== 1 || strlen($discriminator) > self::VALUE_BYTES)
        ) {
            return self::fault($discriminator, 'discriminator', self::VALUE_BYTES)
                ?? Refusal::of(ErrorCode::BadDiscriminator, 'discriminator');
        }
        $fingerprint = $identity->fingerprint;
        if (
            $fingerprint !== null
            && ($fingerprint !== rawurlencode($fingerprint)
                || $fingerprint === ''
                || strlen($fingerprint) > self::VALUE_BYTES)
        ) {
            $fault = self::fault($fingerprint, 'fingerprint', self::VALUE_BYTES);
            if ($fault !== null) {
                return $fault;
            }
        }
        $type = $subject->subjectTypeKey;
        $escapedType = rawurlencode($type);
        if ($type !== $escapedType || $type === '' || strlen($type) > self::TYPE_BYTES) {
            $fault = self::fault($type, 'subject_type_key', self::TYPE_BYTES);
            if ($fault !== null) {
                return $fault;
            }
        }
        $providerOwned = $identity->builtIn || $identity->default || $identity->virtual;
        if ($providerOwned && $identity->tenantOwned) {
            return Refusal::of(ErrorCode::ConflictingFlags, 'tenant_owned');
        }
        $class = $subject->subjectClass;
        if (
            $class === SubjectClass::Policy || $class === SubjectClass::AssignmentTarget
            || $class === SubjectClass::Foundation
        ) {
            if ($providerOwned) {
                return Refusal::of(ErrorCode::ClassIdentityMismatch, 'subject_class');
            }
            if ($own === null) {
                return Refusal::of(ErrorCode::MissingIdentity, 'provider_resource_id');
            }
        } elseif ($class === SubjectClass::Unsupported || $class === SubjectClass::Unknown) {
            if ($providerOwned) {
                $own = null;
            }
            if ($own === null) {
                if ($discriminator === null && $providerOwned) {
                    return Refusal::of(ErrorCode::MissingDiscriminator, 'discriminator');
                }
                if ($discriminator === null || $identity->tenantOwned) {
                    return Refusal::of(ErrorCode::MissingIdentity, 'provider_resource_id');
                }
                $own = $discriminator;
                $form = 'disc';
            }
        } else {
            if ($identity->tenantOwned) {
                return Refusal::of(ErrorCode::ClassIdentityMismatch, 'subject_class');
            }
            if ($discriminator === null) {
                return Refusal::of(ErrorCode::MissingDiscriminator, 'discriminator');
            }
            $own = $discriminator;
            $form = 'disc';
        }
        $token = HandWritten::TOKENS[$class->value];
        $key = "provider:$provider:$token:$escapedType:$escapedResourceType:$form:$own";
        if (strlen($key) > self::KEY_BYTES) {
            return Refusal::of(ErrorCode::KeyTooLong, 'key');
        }
        return CanonicalSubjectKey::fromStored($key);
    }

    /** The first rule that a text breaks; for texts that are not made of unreserved characters only. */
    private static function fault(string $text, string $field, int $limitBytes): ?Refusal
    {
        if ($text === '') {
            return Refusal::of(ErrorCode::EmptyField, $field);
        }
        $faulty = preg_match(HandWritten::FAULTY, $text);
        if ($faulty === 0) {
            return strlen($text) > $limitBytes ? Refusal::of(ErrorCode::FieldTooLong, $field) : null;
        }
        $code = match (true) {
            $faulty === false => ErrorCode::InvalidUtf8,
            preg_match(HandWritten::IS_SURROUNDED, $text) === 1 => ErrorCode::SurroundingWhitespace,
            preg_match(HandWritten::HAS_CONTROL, $text) === 1 => ErrorCode::ControlCharacter,
            default => ErrorCode::Noncharacter,
        };
        return Refusal::of($code, $field);
    }
}
