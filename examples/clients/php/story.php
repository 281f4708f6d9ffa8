<?php

declare(strict_types=1);

/*
 * A story told by requests: keys, a look-up, a decision made, replaced and ended, and what the feed says of it.
 *
 *     PROVIDENT_URL=http://127.0.0.1:8080 PROVIDENT_TOKEN=pvd_… WORKSPACE=<id> ENVIRONMENT=<id or ref:name> php story.php
 *
 * The token's user needs the role manager or owner, and the environment. ON_BEHALF_OF names another user to act for, if
 * the token may. Subjects are invented anew each time, so it can be run as often as you like. It ends with 0 only if
 * everything was as it should be.
 */

require __DIR__ . '/Provident.php';

set_error_handler(static function (int $level, string $message, string $file, int $line): bool {
    if ((error_reporting() & $level) === 0) {
        return false; // silenced where it stands, and looked at there
    }
    throw new ErrorException($message, 0, $level, $file, $line);
});

function set(string $name): string
{
    $value = getenv($name);
    if ($value === false || $value === '') {
        fwrite(STDERR, "set $name\n");
        exit(1);
    }
    return $value;
}

function expect(string $what, mixed $found, mixed $wanted): void
{
    if ($found !== $wanted) {
        throw new RuntimeException("$what: " . json_encode($found) . ' and not ' . json_encode($wanted));
    }
}

/** What is thrown, which has to be of this class. */
function thrown(string $class, callable $by): Problem
{
    try {
        $by();
    } catch (Problem $problem) {
        expect('what was thrown', $problem::class, $class);
        return $problem;
    }
    throw new RuntimeException("$class was expected");
}

/** A resource of the invented provider, as whoever asks for its key describes it. @return array<string, mixed> */
function widget(string $name): array
{
    return [
        'identity' => [
            'provider_key' => 'fake', 'resource_type' => 'widget', 'provider_resource_id' => $name, 'tenant_owned' => true,
        ],
        'subject_class' => 'policy',
        'subject_type_key' => 'widgetPolicy',
    ];
}

function name(): string
{
    return bin2hex(random_bytes(16));
}

$workspace = set('WORKSPACE');
$environment = set('ENVIRONMENT');
$service = new Provident(set('PROVIDENT_URL'), set('PROVIDENT_TOKEN'), getenv('ON_BEHALF_OF') ?: null);
$bindings = "/v1/workspaces/$workspace/bindings";
$after = 0;
foreach ($service->events($workspace, $environment, $after) as $after => $event) {
    // What was done before is none of this story's.
}

// Keys: many at once, each answered for itself.
$run = bin2hex(random_bytes(4));
$answers = $service->ask('/v1/keys:derive', ['items' => [widget("gate $run"), widget("door $run"), widget('')]])['items'];
[$gate, $door] = [$answers[0]['ok']['key'], $answers[1]['ok']['key']];
expect('a widget without a name', $answers[2]['error']['code'], 'empty-field');
echo "derived $gate\n";

$states = static fn (): array => array_column(
    $service->ask("$bindings:lookup", ['environment_id' => $environment, 'keys' => [$gate, $door]])['items'],
    'state',
);
expect('new subjects', $states(), ['none', 'none']);
echo "looked up none, none\n";

// A decision, asked for twice under one name: made once.
$decision = ['environment_id' => $environment, 'mode' => 'excluded_non_governed', 'subject' => $gate,
    'subject_domain' => 'things', 'note' => 'not ours'];
$name = name();
$first = $service->change($bindings, $decision, $name)['binding']['id'];
expect('the same decision again', $service->change($bindings, $decision, $name)['binding']['id'], $first);
expect('what holds', $states(), ['active', 'none']);
echo "created $first\n";

// What does not fit, what is not there and what is wrong are exceptions, told apart by type and code.
$conflict = thrown(Conflict::class, static fn () => $service->change($bindings, $decision, name()));
expect('the conflict', [$conflict->problemCode(), $conflict->activeBindingId()], ['active-binding-exists', $first]);
$unsaid = ['subject' => $door, 'note' => ' '] + $decision;
$refused = thrown(Refused::class, static fn () => $service->change($bindings, $unsaid, name()));
expect('the rule', $refused->rules(), ['note-required']);
$nowhere = '01234567-89ab-7cde-8f01-' . bin2hex(random_bytes(6));
$missing = thrown(NotFound::class, static fn () => $service->read("$bindings/$nowhere"));
expect('what is missing', $missing->problemCode(), 'not-found');
echo "refused active-binding-exists, note-required, not-found\n";

// Another decision in its place, and then none: tried first.
$replacement = ['mode' => 'accepted_limitation', 'note' => 'known, and accepted'];
$second = $service->change("$bindings/$first/supersede", $replacement, name())['binding'];
expect('what was replaced', $second['supersedes_binding_id'], $first);
$second = $second['id'];
echo "superseded by $second\n";
$over = ['note' => 'over'];
$tried = $service->change("$bindings/$second/revoke", ['dry_run' => true] + $over, name());
expect('a dry run', [$tried['dry_run'], $tried['binding']['binding_status']], [true, 'revoked']);
expect('after a dry run', $states(), ['active', 'none']);
$service->change("$bindings/$second/revoke", $over, name());
expect('afterwards', $states(), ['ended', 'none']);
echo "revoked $second\n";

// The feed: what was done since, in its order. Others may have done something meanwhile.
$told = [];
foreach ($service->events($workspace, $environment, $after) as $event) {
    if (array_intersect([$first, $second], [$event['old_binding_id'], $event['new_binding_id']]) !== []) {
        $told[] = $event['action'];
    }
}
expect('the feed', $told, ['binding.created', 'binding.superseded', 'binding.revoked']);
echo 'told of ', implode(', ', $told), "\n";
