<?php

declare(strict_types=1);

// A process that derives one key, and ends.

require dirname(__DIR__) . '/tests/autoload.php';

use Provident\Identity\GovernedSubject;
use Provident\Identity\Identity;
use Provident\Identity\ResourceIdentity;
use Provident\Identity\SubjectClass;

$subject = new GovernedSubject(
    new ResourceIdentity('fake', 'widget', providerResourceId: 'A:1', tenantOwned: true),
    SubjectClass::Policy,
    'widgetPolicy',
);
exit(Identity::open()->derive($subject)->value === 'provider:fake:policy:widgetPolicy:widget:id:A%3A1' ? 0 : 1);
