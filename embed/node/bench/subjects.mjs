// A thousand subjects as platforms have them: GUIDs for the most part, some defaults, some ids that need escapes, one in
// a hundred refused.

const hex = (value, width) => value.toString(16).padStart(width, '0');

function subject(at) {
  const guid = `${hex(at * 2654435, 8)}-2f4f-4d47-9f27-${hex(at * 97, 12)}`;
  const identity = { providerKey: 'fake', resourceType: 'fake.widgets.windowWidgetPolicy', tenantOwned: true };
  const subjectTypeKey = 'widgetPolicies';
  if (at % 100 === 50) {
    return { identity: { ...identity, providerResourceId: ` ${guid}` }, subjectClass: 'policy', subjectTypeKey };
  }
  switch (at % 10) {
    case 7:
      return { identity: { ...identity, providerResourceId: `Zone ${at}/Köln` }, subjectClass: 'foundation', subjectTypeKey };
    case 8: {
      const discriminator = `default-limit-${at}`;
      return {
        identity: { ...identity, discriminator, default: true, tenantOwned: false },
        subjectClass: 'provider_default',
        subjectTypeKey,
      };
    }
    case 9:
      return { identity: { ...identity, providerResourceId: `T_${guid}` }, subjectClass: 'assignment_target', subjectTypeKey };
    default:
      return { identity: { ...identity, providerResourceId: guid }, subjectClass: 'policy', subjectTypeKey };
  }
}

export function subjects(count) {
  // Through JSON, as they come from elsewhere: flat texts, none shared.
  return JSON.parse(JSON.stringify(Array.from({ length: count }, (_, at) => subject(at))));
}
