<?php

declare(strict_types=1);

namespace Provident\Identity\Bench;

use Provident\Identity\GovernedSubject;
use Provident\Identity\ResourceIdentity;
use Provident\Identity\SubjectClass;

/**
 * Subjects as platforms have them: GUIDs for the most part, some defaults, some ids that need escapes; one in a hundred
 * is refused.
 *
 * @return list<GovernedSubject>
 */
function subjects(int $count): array
{
    $subjects = [];
    for ($at = 0; $at < $count; $at++) {
        $guid = sprintf('%08x-2f4f-4d47-9f27-%012x', ($at * 2_654_435) & 0xFFFFFFFF, $at * 97);
        [$class, $id, $discriminator] = match (true) {
            $at % 200 === 50 => [SubjectClass::Policy, " $guid", null],
            $at % 200 === 150 => [SubjectClass::Policy, null, null],
            $at % 10 === 7 => [SubjectClass::Foundation, "Zone $at/Köln", null],
            $at % 10 === 8 => [SubjectClass::ProviderDefault, null, "default-limit-$at"],
            $at % 10 === 9 => [SubjectClass::AssignmentTarget, "T_$guid", null],
            default => [SubjectClass::Policy, $guid, null],
        };
        $subjects[] = new GovernedSubject(
            new ResourceIdentity(
                // Made anew each time, as texts from a database or from JSON are.
                providerKey: implode('', ['fa', 'ke']),
                resourceType: implode('.', ['fake', 'widgets', 'windowWidgetPolicy']),
                providerResourceId: $id,
                discriminator: $discriminator,
                default: $discriminator !== null,
                tenantOwned: $discriminator === null,
            ),
            $class,
            implode('', ['widget', 'Policies']),
        );
    }
    return $subjects;
}
