<?php

declare(strict_types=1);

/* What the package answers. */

namespace Provident\Identity\Tests;

use Provident\Identity\ActorKind;
use Provident\Identity\Adapter;
use Provident\Identity\CanonicalSubjectKey;
use Provident\Identity\Decision;
use Provident\Identity\DecisionAction;
use Provident\Identity\DecisionRefused;
use Provident\Identity\ErrorCode;
use Provident\Identity\GovernedSubject;
use Provident\Identity\HandleClosed;
use Provident\Identity\Identity;
use Provident\Identity\KeyForm;
use Provident\Identity\Lines;
use Provident\Identity\ProviderResourceDescriptor;
use Provident\Identity\Refusal;
use Provident\Identity\ResolutionMode;
use Provident\Identity\ResourceIdentity;
use Provident\Identity\SubjectClass;
use Provident\Identity\SupportLevel;

const WIDGET = 'provider:fake:policy:widgetPolicy:widget:id:A%3A1';

$identity = Identity::open();
$subject = static fn (string $id): GovernedSubject => new GovernedSubject(
    new ResourceIdentity(providerKey: 'fake', resourceType: 'widget', providerResourceId: $id, tenantOwned: true),
    SubjectClass::Policy,
    'widgetPolicy',
);
$widget = $subject('A:1');

return [
    'a key is derived' => static function () use ($identity, $widget): void {
        $key = $identity->derive($widget);
        Check::same(WIDGET, $key->value);
        Check::same(WIDGET, "$key");
        Check::same('"' . WIDGET . '"', json_encode($key));
        Check::same('sha256:' . hash('sha256', WIDGET), $key->digest());
        Check::same($key->digest(), $identity->digest($key));
        Check::true($key->equals(CanonicalSubjectKey::fromStored(WIDGET)), 'it equals the same key');
        Check::true(!$key->equals($identity->derive(new GovernedSubject(
            $widget->identity,
            SubjectClass::Foundation,
            'widgetPolicy',
        ))), 'it equals no other key');
    },
    'every class has its token' => static function () use ($identity): void {
        $tokens = ['policy', 'foundation', 'assignment-target', 'virtual-target', 'builtin', 'default', 'unsupported',
            'unknown'];
        foreach (SubjectClass::cases() as $at => $class) {
            $resource = new ResourceIdentity('fake', 'r', providerResourceId: 'i', discriminator: 'd');
            $key = $identity->derive(new GovernedSubject($resource, $class, 't'));
            Check::same($tokens[$at], explode(':', $key->value)[2]);
            Check::same($class, $identity->parse($key)->subjectClass);
        }
    },
    'every text and flag stands in its place' => static function () use ($identity): void {
        $texts = ['providerKey' => 'p', 'resourceType' => 'r', 'providerResourceId' => 'i', 'externalId' => 'e',
            'discriminator' => 'd', 'fingerprint' => 'f'];
        $fields = ['provider_key', 'resource_type', 'provider_resource_id', 'external_id', 'discriminator',
            'fingerprint'];
        foreach (array_keys($texts) as $at => $name) {
            foreach ([" {$texts[$name]}", str_repeat('x', 300) . ' '] as $bad) {
                $resource = new ResourceIdentity(...[...$texts, $name => $bad]);
                [$refusal] = $identity->deriveMany([new GovernedSubject($resource, SubjectClass::Policy, 't')]);
                Check::same([ErrorCode::SurroundingWhitespace, $fields[$at]], [$refusal->code, $refusal->field]);
            }
        }
        [$refusal] = $identity->deriveMany([
            new GovernedSubject(new ResourceIdentity(...$texts), SubjectClass::Policy, ' t'),
        ]);
        Check::same('subject_type_key', $refusal->field);
        foreach (['builtIn', 'default', 'virtual'] as $flag) {
            $owned = new ResourceIdentity(...[...$texts, $flag => true, 'tenantOwned' => true]);
            [$refusal] = $identity->deriveMany([new GovernedSubject($owned, SubjectClass::Unknown, 't')]);
            Check::same(ErrorCode::ConflictingFlags, $refusal->code, $flag);
            $resource = new ResourceIdentity(...[...$texts, $flag => true]);
            $key = $identity->derive(new GovernedSubject($resource, SubjectClass::Unknown, 't'));
            Check::same('provider:p:unknown:t:r:disc:d', $key->value, $flag);
        }
    },
    'many keys are derived, each for itself, over many calls' => static function () use ($identity, $subject): void {
        // About 3 MiB of records: several calls, whose cuts fall anywhere.
        $subjects = [];
        for ($at = 0; $at < 9_000; $at++) {
            $subjects[] = $subject($at % 100 === 99 ? " $at" : $at . str_repeat('x', 250 + $at % 13));
        }
        $answers = $identity->deriveMany($subjects);
        Check::same(9_000, count($answers));
        foreach ($answers as $at => $answer) {
            if ($at % 100 === 99) {
                Check::true($answer instanceof Refusal, "item $at is refused");
                Check::same(ErrorCode::SurroundingWhitespace, $answer->code);
            } else {
                $text = $at . str_repeat('x', 250 + $at % 13);
                Check::same("provider:fake:policy:widgetPolicy:widget:id:$text", $answer->value);
            }
        }
        Check::same([], $identity->deriveMany([]));
    },
    'many are taken from a generator, and their array keys do not matter' => static function () use (
        $identity,
        $subject,
    ): void {
        $one = (static function () use ($subject): \Generator {
            yield 'x' => $subject('1');
            yield 'x' => $subject('2');
        })();
        $two = $identity->deriveMany([7 => $subject('1'), 3 => $subject('2')]);
        Check::same(json_encode($two), json_encode($identity->deriveMany($one)));
        Check::same([0, 1], array_keys($two));
    },
    'a key is taken apart' => static function () use ($identity): void {
        $parsed = $identity->parse('provider:fake:foundation:zone%3Aeu:zone:ext:K%C3%B6ln%2F7');
        Check::same(
            ['fake', SubjectClass::Foundation, 'zone:eu', 'zone', KeyForm::Ext, 'Köln/7'],
            array_values(get_object_vars($parsed)),
        );
    },
    'a descriptor is described' => static function () use ($identity, $widget): void {
        $descriptor = new ProviderResourceDescriptor(
            $widget->identity,
            'things',
            SubjectClass::Policy,
            'widgetPolicy',
            SupportLevel::InventoryOnly,
            displayLabel: 'Front door',
        );
        $described = $identity->describe($descriptor);
        Check::same(WIDGET, $described->key->value);
        Check::same('sha256:' . hash('sha256', $described->canonical), $described->digest);
        Check::true(!str_contains($described->canonical, 'Front door'), 'the label stays out');
        Check::same(WIDGET, $identity->derive($descriptor->subject())->value);
        Check::same(
            json_encode($descriptor),
            json_encode(ProviderResourceDescriptor::fromArray(json_decode(json_encode($descriptor), true))),
        );
    },
    'a decision is judged by every rule' => static function () use ($identity): void {
        $mode = ResolutionMode::ManualBinding;
        $other = 'provider:fake:policy:widgetPolicy:widget:id:B2';
        $identity->decide(new Decision(
            DecisionAction::Create,
            ActorKind::Operator,
            $mode,
            WIDGET,
            CanonicalSubjectKey::fromStored($other),
            note: 'agreed',
            reason: 'renamed',
        ));
        $broken = new Decision(DecisionAction::Create, ActorKind::Operator, $mode, WIDGET, reason: 'No code');
        $refused = Check::refused(
            DecisionRefused::class,
            'resource-required',
            'resource',
            static fn () => $identity->decide($broken),
        );
        Check::same(
            ['resource-required', 'note-required', 'bad-reason'],
            array_map(static fn (Refusal $refusal): string => $refusal->code->value, $refused->refusals),
        );
    },
    'lines are answered, with an adapter, too' => static function () use ($identity): void {
        $adapter = Adapter::open('fake');
        $lines = "\u{FEFF}" . '{"id":"1","op":"digest","input":{"key":"' . WIDGET . "\"}}\n \n"
            . '{"id":"2","op":"adapt","input":{"raw":{"kind":"widget","ref":"A:1"}}}' . "\n";
        $replies = explode("\n", $identity->batch($lines, $adapter));
        Check::same(3, count($replies));
        Check::same('sha256:' . hash('sha256', WIDGET), json_decode($replies[0])->ok->digest);
        Check::same('widget', json_decode($replies[1])->ok->items[0]->descriptor->identity->resource_type);
        $alone = explode("\n", $identity->batch($lines));
        Check::same('unknown-op', json_decode($alone[1])->error->code);
        Check::same('', $identity->batch(''));
    },
    'a batch is answered in several calls, as if in one' => static function () use ($identity): void {
        $line = static fn (int $at): string => '{"id":"' . $at . '","op":"digest","input":{"key":"' . WIDGET . '"}}';
        $ids = static fn (string $replies): array => array_map(
            static fn (string $reply): ?string => json_decode($reply)->id ?? null,
            explode("\n", rtrim($replies, "\n")),
        );
        $lines = array_map($line, range(1, 8_200));
        $expected = array_map(strval(...), range(1, 8_200));
        foreach (["\n", ''] as $end) {
            Check::same($expected, $ids($identity->batch(implode("\n", $lines) . $end)));
        }
        Check::same(4_096, count($ids($identity->batch(implode("\n", array_slice($lines, 0, 4_096)) . "\n"))));
        // A mark is one only at the start of all.
        $lines[0] = "\u{FEFF}$lines[0]";
        $lines[4_096] = "\u{FEFF}{$lines[4_096]}";
        $expected[4_096] = null;
        Check::same($expected, $ids($identity->batch(implode("\n", $lines))));
        Check::same('', $identity->batch(str_repeat("\n", 10_000)));
        // The library never holds more than the replies of one call.
        $run = Process::run([PHP_BINARY, dirname(__DIR__) . '/large_batch.php']);
        Check::same(['status' => 0, 'stderr' => ''], array_diff_key($run, ['stdout' => 0]));
        [$replies, $grown] = array_map(intval(...), explode(' ', $run['stdout']));
        Check::true($replies > 20 << 20, 'the replies are large');
        Check::true($grown < 1.5 * $replies, "$grown bytes are about as many as the $replies of the replies");
    },
    'a stream is cut at line ends' => static function () use ($identity): void {
        [$input, $output] = [tmpfile(), tmpfile()];
        $line = '{"id":"%d","op":"digest","input":{"key":"provider:fake:policy:t:r:id:1"}}';
        // Over 3 MiB; in the middle a mark, a line without end, one that is no text; the last line has no end.
        for ($at = 0; $at < 36_000; $at++) {
            fwrite($input, match ($at) {
                17_000 => "\u{FEFF}" . sprintf($line, $at),
                18_000 => str_repeat('y', 3_000_000),
                19_000 => "\xFF" . sprintf($line, $at),
                19_001 => "\u{FEFF}" . sprintf($line, $at),
                default => sprintf($line, $at),
            } . ($at === 35_999 ? '' : "\n"));
        }
        rewind($input);
        (new Lines($identity))->answer($input, $output);
        rewind($output);
        $replies = explode("\n", (string) stream_get_contents($output));
        Check::same('', array_pop($replies));
        Check::same(36_000, count($replies));
        $expected = [17_000 => 'malformed-request', 18_000 => 'request-too-large', 19_000 => 'invalid-utf8',
            19_001 => 'malformed-request'];
        foreach ($replies as $at => $reply) {
            $reply = json_decode($reply);
            isset($expected[$at])
                ? Check::same($expected[$at], $reply->error->code, "line $at")
                : Check::same("$at", $reply->id);
        }
    },
    'a line without end is not kept' => static function (): void {
        $run = Process::run(
            [PHP_BINARY, '-d', 'memory_limit=16M', dirname(__DIR__) . '/host.php', 'lines'],
            str_repeat('z', 40 << 20) . "\n" . '{"op":"digest","input":{"key":"provider:fake:policy:t:r:id:1"}}',
        );
        Check::same([0, ''], [$run['status'], $run['stderr']]);
        $replies = array_map(json_decode(...), explode("\n", $run['stdout']));
        Check::same('request-too-large', $replies[0]->error->code);
        Check::true(isset($replies[1]->ok->digest), 'the next line is answered');
    },
    'an adapter describes every object' => static function (): void {
        $adapter = Adapter::open('fake');
        $items = $adapter->describe('[{"kind":"widget","ref":"A:1","title":"Front door"},{"kind":7},7]');
        Check::same(3, count($items));
        Check::true($items[0] instanceof ProviderResourceDescriptor, 'the first is a descriptor');
        Check::same(['A:1', 'Front door'], [$items[0]->identity->providerResourceId, $items[0]->displayLabel]);
        foreach ([1, 2] as $at) {
            Check::true($items[$at] instanceof Refusal, "item $at is a refusal");
            Check::same($at, $items[$at]->position);
        }
    },
    'components say what they are' => static function () use ($identity): void {
        $about = $identity->about();
        Check::same(['identity', 1, 1_024, 2_000], [
            $about->component,
            $about->grammarVersion,
            $about->limits->keyBytes,
            $about->limits->noteChars,
        ]);
        Check::true(preg_match('/^[0-9a-f]{64}$/', $about->componentSha256) === 1, 'the digest is hex');
        $adapter = Adapter::open('fake')->about();
        Check::same(['fake', 'fake'], [$adapter->component, $adapter->providerKey]);
        Check::true(count($adapter->entityTypes) > 3, 'it knows types');
        Check::same($about->libraryVersion, $adapter->libraryVersion);
    },
    'what is closed is refused, and closing twice does nothing' => static function () use ($identity, $widget): void {
        $mine = Identity::open();
        $adapter = Adapter::open('fake');
        Check::same(WIDGET, $mine->derive($widget)->value);
        $mine->close();
        $mine->close();
        $adapter->close();
        $decision = new Decision(DecisionAction::Revoke, ActorKind::Operator, null, WIDGET, note: 'gone');
        $descriptor = Adapter::open('fake')->describe('{"kind":"widget","ref":"A:1"}')[0];
        foreach (
            [
                static fn () => $mine->derive($widget),
                static fn () => $mine->deriveMany([]),
                static fn () => $mine->parse(WIDGET),
                static fn () => $mine->parse(str_repeat('x', 2_000)),
                static fn () => $mine->digest(WIDGET),
                static fn () => $mine->describe($descriptor),
                static fn () => $mine->decide($decision),
                static fn () => $mine->batch('{}'),
                static fn () => $mine->batch(''),
                static fn () => (new Lines($mine))->answer(fopen('php://memory', 'r'), fopen('php://memory', 'w')),
                static fn () => $mine->about(),
                static fn () => $identity->batch('{}', $adapter),
                static fn () => $adapter->describe('{}'),
                static fn () => $adapter->about(),
            ] as $call
        ) {
            Check::refused(HandleClosed::class, 'handle-closed', null, $call);
        }
        Check::same(WIDGET, $identity->derive($widget)->value);
    },
    'what nobody holds any more is closed' => static function () use ($identity): void {
        $handle = static fn (Identity|Adapter $of) => (new \ReflectionProperty($of, 'handle'))->getValue($of);
        foreach ([static fn () => Identity::open(), static fn () => Adapter::open('fake')] as $open) {
            $mine = $open();
            $number = $handle($mine)->number();
            $library = $handle($identity)->library;
            $library->about($number);
            unset($mine);
            $closed = static fn () => $library->about($number);
            Check::refused(HandleClosed::class, 'handle-closed', null, $closed);
        }
    },
    'a handle the library does not know is refused by the library' => static function () use ($identity): void {
        $handle = (new \ReflectionProperty($identity, 'handle'))->getValue($identity);
        Check::refused(
            HandleClosed::class,
            'handle-closed',
            null,
            static fn () => $handle->library->deriveFlat(1 << 40, ''),
        );
    },
    'a process that was forked goes on' => static function () use ($identity, $widget): void {
        $child = pcntl_fork();
        if ($child === 0) {
            $held = $identity->derive($widget)->value === WIDGET
                && Identity::open()->parse(WIDGET)->value === 'A:1';
            // Without the tests' own end.
            posix_kill(getmypid(), $held ? SIGTERM : SIGKILL);
        }
        pcntl_waitpid($child, $status);
        Check::same(SIGTERM, pcntl_wtermsig($status));
        Check::same(WIDGET, $identity->derive($widget)->value);
    },
    'memory does not grow' => static function () use ($identity, $widget): void {
        $broken = new Decision(DecisionAction::Create, ActorKind::Operator, null, WIDGET);
        $residentKib = static function (): int {
            preg_match('/^VmRSS:\s+(\d+)/m', (string) file_get_contents('/proc/self/status'), $found);
            return (int) $found[1];
        };
        $round = static function () use ($identity, $widget, $broken): void {
            for ($at = 0; $at < 300; $at++) {
                $identity->deriveMany(array_fill(0, 100, $widget));
                Check::throws(DecisionRefused::class, static fn () => $identity->decide($broken));
                Identity::open()->about();
            }
        };
        $round();
        $before = $residentKib();
        for ($rounds = 0; $rounds < 5; $rounds++) {
            $round();
        }
        Check::true($residentKib() - $before < 1_024, 'it grows by less than 1 MiB');
    },
];
