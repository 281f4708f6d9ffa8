//! The example clients, run as a reader would: each tells its story to a running service, on both engines.
#![cfg(test)]

use std::process::Command;

use provident_tests::console::{Site, text};
use provident_tests::database::on_both_engines_empty;
use provident_tests::guard::listing::root;
use provident_tests::serving::Instance;

/// What each story says, line by line: what comes behind is different each time.
const STORY: [&str; 7] = [
    "derived provider:fake:policy:widgetPolicy:widget:id:gate%20",
    "looked up none, none",
    "created ",
    "refused active-binding-exists, note-required, not-found",
    "superseded by ",
    "revoked ",
    "told of binding.created, binding.superseded, binding.revoked",
];

const CLIENTS: [(&str, &[&str]); 2] =
    [("php", &["examples/clients/php/story.php"]), ("python3", &["-B", "examples/clients/python/story.py"])];

#[test]
fn each_client_tells_its_story() {
    on_both_engines_empty(|database| async move {
        let site = Site::on(database);
        let _ = site.run(["init"]).ok();
        let owner = site.tenant("acme");
        let workspaces = site.json(["workspace", "list"]);
        let token = text(&site.json(["token", "create", "--user", &owner.id, "--name", "a client's"]), "token");
        let instance = Instance::start(&site.database().unwrap().url(), &site.data_dir());
        for (program, arguments) in CLIENTS {
            let mut story = Command::new(program);
            story.args(arguments).current_dir(root()).env_remove("ON_BEHALF_OF");
            story.env("PROVIDENT_URL", format!("http://{}", instance.address)).env("PROVIDENT_TOKEN", &token);
            story.env("WORKSPACE", text(&workspaces[0], "id")).env("ENVIRONMENT", &owner.environment);
            let told = story.output().unwrap();
            let (said, complained) = (String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
            assert!(told.status.success(), "{program}: {said}{complained}");
            let lines = said.lines().collect::<Vec<_>>();
            assert_eq!(lines.len(), STORY.len(), "{program}: {said}");
            for (line, beginning) in lines.iter().zip(STORY) {
                assert!(line.starts_with(beginning), "{program}: {line}");
            }
        }
    });
}
