<?php

declare(strict_types=1);

// A page for the preload tests: one key, and what this server lets its pages do.

header('Content-Type: application/json');

$preloaded = count(array_filter(
    get_declared_classes(),
    static fn (string $class): bool => str_starts_with($class, 'Provident\\Identity\\'),
));
if (!class_exists('Provident\\Identity\\Identity', false)) {
    require __DIR__ . '/autoload.php';
}

use Provident\Identity\Adapter;
use Provident\Identity\GovernedSubject;
use Provident\Identity\Identity;
use Provident\Identity\ProvidentException;
use Provident\Identity\ResourceIdentity;
use Provident\Identity\SubjectClass;

$restricted = false;
try {
    FFI::cdef('int getpid(void);');
} catch (FFI\Exception) {
    $restricted = true;
}
$told = ['sapi' => PHP_SAPI, 'restricted' => $restricted, 'preloaded' => $preloaded, 'pid' => getmypid()];
try {
    $identity = Identity::open();
    $subject = new GovernedSubject(new ResourceIdentity('fake', 'widget', 'A:1'), SubjectClass::Policy, 'widgetPolicy');
    $told['key'] = $identity->derive($subject);
    $told['described'] = count(Adapter::open('fake')->describe('{"kind":"widget","ref":"A:1"}'));
} catch (ProvidentException $error) {
    $told['error'] = $error->errorCode();
}
$loaded = (new ReflectionClass('Provident\\Identity\\Library'))->getStaticPropertyValue('loaded');
$told['scope'] = isset($loaded['']);
echo json_encode($told, JSON_THROW_ON_ERROR);
