<?php

declare(strict_types=1);

/* What cannot be right is refused by name, and nothing crashes. */

namespace Provident\Identity\Tests;

use Provident\Identity\ActorKind;
use Provident\Identity\Adapter;
use Provident\Identity\ComponentFailed;
use Provident\Identity\Decision;
use Provident\Identity\DecisionAction;
use Provident\Identity\DecisionRefused;
use Provident\Identity\ErrorCode;
use Provident\Identity\FlatRecords;
use Provident\Identity\GovernedSubject;
use Provident\Identity\Identity;
use Provident\Identity\IdentityRefused;
use Provident\Identity\Library;
use Provident\Identity\LibraryMissing;
use Provident\Identity\LibraryUnusable;
use Provident\Identity\ProviderResourceDescriptor;
use Provident\Identity\ProvidentException;
use Provident\Identity\Refusal;
use Provident\Identity\ResolutionMode;
use Provident\Identity\ResourceIdentity;
use Provident\Identity\SubjectClass;
use Provident\Identity\SupportLevel;

const PLAIN = 'provider:fake:policy:t:r:id:1';
const OTHER = 'provider:fake:policy:t:r:id:2';

$identity = Identity::open();
$texts = ['provider_key' => 'fake', 'resource_type' => 'r', 'provider_resource_id' => 'i', 'external_id' => 'e',
    'discriminator' => 'd', 'fingerprint' => 'f'];
$subject = static fn (array $changed): GovernedSubject => GovernedSubject::fromArray([
    'identity' => array_diff_key($changed, ['subject_type_key' => 0]) + $texts,
    'subject_class' => 'policy',
    'subject_type_key' => $changed['subject_type_key'] ?? 't',
]);
$descriptor = static fn (array $changed): ProviderResourceDescriptor => ProviderResourceDescriptor::fromArray(
    $changed + ['identity' => $texts, 'subject_domain' => 'things', 'subject_class' => 'policy',
        'subject_type_key' => 't', 'support_level' => 'supported'],
);
$decision = static fn (array $changed): Decision => Decision::fromArray(
    $changed + ['action' => 'create', 'actor' => 'operator', 'mode' => 'manual_binding', 'subject' => PLAIN,
        'resource' => OTHER, 'note' => 'agreed', 'reason' => 'renamed'],
);
/** Text that is not UTF-8: a byte, a lone surrogate, an overlong form, a cut sequence, one past the last plane. */
$notUtf8 = ["a\xFFb", "a\xED\xA0\x80b", "a\xC0\xAFb", "ab\xC3", "a\xF4\x90\x80\x80b"];
$large = str_repeat('x', 10 << 20);

return [
    'text that is not UTF-8' => static function () use (
        $identity,
        $texts,
        $subject,
        $descriptor,
        $decision,
        $notUtf8,
    ): void {
        $refused = static fn (string $class, string $field, callable $call) =>
            Check::refused($class, 'invalid-utf8', $field, $call);
        foreach ($notUtf8 as $bad) {
            foreach ([...array_keys($texts), 'subject_type_key'] as $field) {
                $call = static fn () => $identity->derive($subject([$field => $bad]));
                $refused(IdentityRefused::class, $field, $call);
            }
            foreach (['subject_domain', 'display_label', 'source_operation_run_id'] as $field) {
                $call = static fn () => $identity->describe($descriptor([$field => $bad]));
                $refused(IdentityRefused::class, $field, $call);
            }
            $call = static fn () => $identity->describe($descriptor(['identity' => ['external_id' => $bad] + $texts]));
            $refused(IdentityRefused::class, 'external_id', $call);
            foreach (['subject', 'resource', 'note', 'reason'] as $field) {
                $call = static fn () => $identity->decide($decision([$field => $bad]));
                $refused(DecisionRefused::class, $field, $call);
            }
            $refused(IdentityRefused::class, 'key', static fn () => $identity->parse($bad));
            $refused(IdentityRefused::class, 'key', static fn () => $identity->digest($bad));
            $refused(IdentityRefused::class, 'request', static fn () => $identity->batch($bad));
            $refused(IdentityRefused::class, 'document', static fn () => Adapter::open('fake')->describe($bad));
            Check::refused(
                ComponentFailed::class,
                'invalid-utf8',
                'name',
                static fn () => Adapter::open($bad),
            );
        }
    },
    'lone surrogates in JSON' => static function () use ($identity): void {
        $reply = json_decode($identity->batch('{"op":"digest","input":{"key":"\ud800"}}'));
        Check::same('malformed-request', $reply->error->code);
        $item = Adapter::open('fake')->describe('{"kind":"widget","ref":"\ud800"}')[0];
        Check::true($item instanceof Refusal, 'the object is refused');
        Check::same(ErrorCode::MalformedDocument, $item->code);
    },
    'NUL' => static function () use ($identity, $texts, $subject, $decision): void {
        foreach ([...array_keys($texts), 'subject_type_key'] as $field) {
            Check::refused(
                IdentityRefused::class,
                'control-character',
                $field,
                static fn () => $identity->derive($subject([$field => "a\0b"])),
            );
        }
        $call = static fn () => $identity->parse("provider:fake:policy:t:r:id:a\0");
        Check::refused(IdentityRefused::class, 'bad-escape', 'value', $call);
        $call = static fn () => $identity->decide($decision(['note' => "a\0b"]));
        Check::refused(DecisionRefused::class, 'control-character', 'note', $call);
        Check::refused(LibraryMissing::class, 'library-missing', null, static fn () => Identity::open("a\0b"));
        Check::refused(ComponentFailed::class, 'component-unknown', 'name', static fn () => Adapter::open("fake\0"));
    },
    'ten mebibytes' => static function () use ($identity, $texts, $subject, $descriptor, $decision, $large): void {
        foreach ([...array_keys($texts), 'subject_type_key'] as $field) {
            $call = static fn () => $identity->derive($subject([$field => $large]));
            Check::refused(IdentityRefused::class, 'request-too-large', 'request', $call);
        }
        $answers = $identity->deriveMany([$subject([]), $subject(['external_id' => $large]), $subject([])]);
        Check::same([false, true, false], array_map(
            static fn (mixed $answer): bool => $answer instanceof Refusal,
            $answers,
        ));
        $call = static fn () => $identity->describe($descriptor(['subject_domain' => $large]));
        Check::refused(IdentityRefused::class, 'request-too-large', 'request', $call);
        Check::same(
            $identity->describe($descriptor([]))->digest,
            $identity->describe($descriptor(['display_label' => $large]))->digest,
        );
        foreach (['subject', 'note', 'reason'] as $field) {
            $call = static fn () => $identity->decide($decision([$field => $large]));
            $refused = Check::refused(DecisionRefused::class, 'request-too-large', 'request', $call);
            // In the words of this package: the component was not asked.
            Check::same('`request`: a line over 65,536 bytes, or a batch over 1 MiB', $refused->refusals[0]->message);
        }
        foreach (['parse', 'digest'] as $op) {
            $call = static fn () => $identity->$op($large);
            Check::refused(IdentityRefused::class, 'request-too-large', 'request', $call);
            $call = static fn () => $identity->$op(substr($large, 0, 1 << 20));
            Check::refused(IdentityRefused::class, 'key-too-long', 'key', $call);
        }
        Check::refused(ComponentFailed::class, 'input-too-large', null, static fn () => $identity->batch($large));
        $call = static fn () => Adapter::open('fake')->describe($large);
        Check::refused(ComponentFailed::class, 'input-too-large', null, $call);
    },
    'a mode nobody knows, after the keys' => static function () use ($identity, $decision): void {
        $codes = static fn (array $changed): array => array_map(
            static fn (Refusal $refusal): array => [$refusal->code->value, $refusal->field],
            Check::throws(DecisionRefused::class, static fn () => $identity->decide($decision($changed)))->refusals,
        );
        $mode = ['mode-not-allowed', 'mode'];
        foreach (['none', '', 'Manual_binding', "\xFF", str_repeat('m', 100_000)] as $unknown) {
            Check::same([$mode], $codes(['mode' => $unknown]));
            Check::same([$mode, ['bad-reason', 'reason']], $codes(['mode' => $unknown, 'reason' => 'Why']));
            $bare = ['mode' => $unknown, 'subject' => str_replace('provider:', 'providers:', PLAIN)];
            Check::same($codes(['subject' => $bare['subject']]), $codes($bare));
            Check::same('subject', $codes($bare)[0][1]);
        }
        Check::same([$mode], $codes(['mode' => null]));
    },
    'up to a mebibyte, a note is judged by its own rules' => static function () use ($identity, $decision): void {
        $codes = static function (string $note) use ($identity, $decision): array {
            try {
                $identity->decide($decision(['note' => $note]));
            } catch (DecisionRefused $refused) {
                $told = static fn (Refusal $one): string => "{$one->code->value}@{$one->field}";
                return array_map($told, $refused->refusals);
            }
            return [];
        };
        $long = 'note-too-long@note';
        $control = 'control-character@note';
        foreach ([2_001, 8_192, 8_193, 65_000, 72_000, 1_000_000] as $characters) {
            $note = str_repeat('n', $characters);
            Check::same([$long], $codes($note));
            Check::same([$long, $control], $codes("$note\x07"));
            Check::same([$long, $control], $codes("\x7F$note"));
            Check::same([$long, 'noncharacter@note'], $codes("n\u{5FFFF}$note"));
            Check::same([$long, 'noncharacter@note'], $codes("$note\u{FDD0}\t\n\r\r\n"));
            Check::same([$long, $control, 'noncharacter@note'], $codes("\u{85}a\u{85}$note\u{10FFFE}"));
        }
        $call = static fn () => $identity->decide($decision(['note' => str_repeat('n', 72_000)]));
        $message = Check::throws(DecisionRefused::class, $call)->refusals[0]->message;
        Check::true(!str_contains($message, '2001'), "`$message` tells no length that is not the note's");
        // What is cut, or made one, does not count.
        Check::same([], $codes(str_repeat("\u{2003} \r\n", 20_000) . str_repeat("n\r\n", 999) . 'nn'
            . str_repeat("\t\u{3000}", 20_000)));
        Check::same([$long], $codes(str_repeat(' ', 70_000) . str_repeat('n', 2_001) . str_repeat(' ', 70_000)));
        Check::same([], $codes(str_repeat("\u{1F6AA}", 2_000) . str_repeat("\u{85}", 70_000)));
        Check::same([$long], $codes('n' . str_repeat(' ', 900_000) . 'n'));
        Check::same(['note-required@note'], $codes(str_repeat(' ', 500_000)));
        Check::same([$long], $codes(str_repeat('"', 60_000)));
    },
    'up to a mebibyte, so are keys and a reason' => static function () use ($identity, $decision): void {
        $codes = ['subject' => 'key-too-long', 'resource' => 'key-too-long', 'reason' => 'bad-reason'];
        foreach ([1_025, 70_000, 1_000_000] as $bytes) {
            foreach ($codes as $field => $code) {
                foreach (['k', "\x07", "\u{1F6AA}"] as $of) {
                    $text = str_repeat($of, intdiv($bytes - 1, strlen($of)) + 1);
                    $call = static fn () => $identity->decide($decision([$field => $text]));
                    Check::refused(DecisionRefused::class, $code, $field, $call);
                }
            }
        }
    },
    'up to a mebibyte, derive says what is wrong' => static function () use ($identity, $subject, $large): void {
        foreach ([513, 70_000, 1_000_000] as $bytes) {
            $call = static fn () => $identity->derive($subject(['external_id' => substr($large, 0, $bytes)]));
            Check::refused(IdentityRefused::class, 'field-too-long', 'external_id', $call);
        }
    },
    'wrong types' => static function () use ($identity, $texts, $subject): void {
        Check::throws(\TypeError::class, static fn () => new ResourceIdentity(7, 'r'));
        Check::throws(\TypeError::class, static fn () => new GovernedSubject(null, SubjectClass::Policy, 't'));
        Check::throws(\TypeError::class, static fn () => $identity->parse(null));
        Check::throws(\TypeError::class, static fn () => $identity->deriveMany([$subject([]), 'no subject']));
        Check::throws(\TypeError::class, static fn () => $identity->deriveMany([null]));
        $read = static fn (array $input) => static fn () => GovernedSubject::fromArray($input);
        foreach (
            [
                ['malformed-request', 'identity', ['identity' => 'text']],
                ['malformed-request', 'built_in', ['identity' => ['built_in' => 1]]],
                ['malformed-request', 'external_id', ['identity' => ['external_id' => 1.5]]],
                ['malformed-request', 'subject_type_key', ['subject_type_key' => []]],
                ['unknown-field', 'display_label', ['identity' => ['display_label' => 'x']]],
                ['unknown-field', '0', ['identity' => $texts, 'subject_class' => 'policy', 0 => 'x']],
                ['invalid-class', 'subject_class', ['identity' => $texts]],
                ['invalid-class', 'subject_class', ['identity' => $texts, 'subject_class' => 'Policy']],
            ] as [$code, $field, $input]
        ) {
            Check::refused(IdentityRefused::class, $code, $field, $read($input));
        }
        $call = static fn () => ResourceIdentity::fromArray([str_repeat("\xFF`\n", 100) => 1]);
        $refused = Check::throws(IdentityRefused::class, $call);
        Check::same('unknown-field', $refused->errorCode());
        Check::true(preg_match('/^[ -_a-~]{64}$/', $refused->field()) === 1, 'a name from outside is shown with care');
        $call = static fn () => Decision::fromArray(['action' => 'create', 'actor' => 'nobody', 'note' => 'a secret']);
        Check::refused(IdentityRefused::class, 'malformed-request', 'actor', $call);
        $call = static fn () => ProviderResourceDescriptor::fromArray(['subject_class' => 'policy']);
        Check::refused(IdentityRefused::class, 'bad-support-level', 'support_level', $call);
    },
    'a library that is missing, another one, or none' => static function (): void {
        $missing = static fn () => Identity::open('/nowhere/libprovident_c.so');
        Check::refused(LibraryMissing::class, 'library-missing', null, $missing);
        Check::refused(LibraryMissing::class, 'library-missing', null, static fn () => Identity::open(''));
        Check::refused(LibraryMissing::class, 'library-missing', null, static fn () => Identity::open(__DIR__));
        $folder = Process::folder();
        file_put_contents("$folder/text.so", 'no library');
        $call = static fn () => Adapter::open('fake', "$folder/text.so");
        Check::refused(LibraryUnusable::class, 'library-unusable', null, $call);
        foreach (glob('/lib/*-linux-gnu/libm.so.6') as $other) {
            $call = static fn () => Identity::open($other);
            Check::refused(LibraryUnusable::class, 'library-unusable', null, $call);
        }
        // The variable is the last word where no path is given, and the folder of the package behind it.
        $host = [PHP_BINARY, dirname(__DIR__) . '/host.php', 'about'];
        $run = Process::run($host, '', ['PROVIDENT_LIBRARY' => '/nowhere/at-all.so']);
        Check::true(str_contains($run['stderr'] . $run['stdout'], '/nowhere/at-all.so'), 'the variable is followed');
        $run = Process::run($host, '', ['PROVIDENT_LIBRARY' => Library::find()]);
        Check::same([0, ''], [$run['status'], $run['stderr']]);
        $off = Process::run([PHP_BINARY, '-d', 'ffi.enable=0', ...array_slice($host, 1)], '', [
            'PROVIDENT_LIBRARY' => Library::find(),
        ]);
        Check::true(str_contains($off['stderr'] . $off['stdout'], 'library-unusable'), 'PHP without FFI says so');
    },
    'a component file' => static function () use ($texts): void {
        // Beside a library that cargo built stand the components it carries.
        $built = glob(dirname(Library::find()) . '/build/provident-identity-*/out/fake.wasm');
        $folder = getenv('PROVIDENT_COMPONENTS') ?: dirname($built[0] ?? '');
        if (!is_file("$folder/identity.wasm")) {
            throw new Skipped('PROVIDENT_COMPONENTS names no folder with identity.wasm and fake.wasm');
        }
        $wasm = (string) file_get_contents("$folder/identity.wasm");
        $mine = Process::folder();
        $file = static function (string $bytes) use ($mine): array {
            file_put_contents("$mine/component.wasm", $bytes);
            return ["$mine/component.wasm", hash('sha256', $bytes)];
        };
        [$path, $digest] = $file($wasm);
        $started = hrtime(true);
        $identity = Identity::openFile($path, $digest, "$mine/cache");
        $compiled = hrtime(true) - $started;
        Check::same($digest, $identity->about()->componentSha256);
        Check::same('t', $identity->parse(PLAIN)->subjectTypeKey);
        $started = hrtime(true);
        Check::same('1', Identity::openFile($path, $digest, "$mine/cache")->parse(PLAIN)->value);
        Check::true(hrtime(true) - $started < $compiled / 3, 'the cache is used');
        $adapter = Adapter::openFile("$folder/fake.wasm", hash_file('sha256', "$folder/fake.wasm"), "$mine/cache");
        Check::same('fake', $adapter->about()->providerKey);

        $altered = $wasm;
        $altered[strlen($altered) >> 1] = chr(ord($altered[strlen($altered) >> 1]) ^ 1);
        foreach ([$altered, substr($wasm, 0, -7), ''] as $bytes) {
            [$path] = $file($bytes);
            $call = static fn () => Identity::openFile($path, $digest);
            Check::refused(ComponentFailed::class, 'component-digest-mismatch', 'sha256', $call);
        }
        [$path, $other] = $file(substr($wasm, 0, -7));
        $error = Check::throws(ProvidentException::class, static fn () => Identity::openFile($path, $other));
        Check::same('component-unusable', $error->errorCode());
        $call = static fn () => Identity::openFile("$folder/fake.wasm", hash_file('sha256', "$folder/fake.wasm"));
        Check::same('component-unusable', Check::throws(ProvidentException::class, $call)->errorCode());
        $call = static fn () => Identity::openFile("$mine/none.wasm", $digest);
        Check::refused(ComponentFailed::class, 'component-unreadable', 'path', $call);
    },
    'answers of another layout' => static function () use ($subject): void {
        foreach (["\0", "\0\0\5\0four", "\0\0\1\0ab", "\xFF\1\0\0", "\1\x63\0\0", '', "\1\1\0\0\1\1\0\0"] as $answers) {
            $call = static fn () => FlatRecords::derive([$subject([])], static fn (): string => $answers, 1 << 20);
            Check::refused(ComponentFailed::class, 'component-unusable', null, $call);
        }
        $one = FlatRecords::derive([$subject([])], static fn (): string => "\1\1\0\0", 1 << 20);
        Check::same([ErrorCode::RequestTooLarge, 'provider_key'], [$one[0]->code, $one[0]->field]);
    },
    'an adapter nobody knows' => static fn () => Check::refused(
        ComponentFailed::class,
        'component-unknown',
        'name',
        static fn () => Adapter::open('nobody'),
    ),
];
