use super::*;

fn compiled(engine: &Engine) -> Artifact {
    let component = wat::parse_str("(component)").unwrap();
    let code = engine.precompile_component(&component).unwrap();
    Artifact::of_bytes(Form::Component, code)
}

fn guest(name: &str) -> Entry {
    Entry::Guest(name.to_owned())
}

fn component(caller: u8, name: impl ToString) -> Entry {
    Entry::Component {
        caller: Caller([caller; 32]),
        name: name.to_string(),
    }
}

#[test]
fn what_was_stored_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::default();
    let cache = Cache::open(folder.path()).unwrap();
    assert!(cache.load(&engine, &guest("a"), Form::Component).is_none());
    cache.store(&guest("a"), &compiled(&engine)).unwrap();
    assert!(cache.load(&engine, &guest("a"), Form::Component).is_some());
    let again = Cache::open(folder.path()).unwrap();
    assert!(again.load(&engine, &guest("a"), Form::Component).is_some());
}

#[test]
#[cfg(target_os = "linux")]
fn a_copy_of_an_entry_is_loaded_too() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::default();
    let cache = Cache::open(folder.path()).unwrap();
    let entry = component(1, "a");
    assert!(cache.artifact(&entry, Form::Component).is_none());
    cache.store(&entry, &compiled(&engine)).unwrap();
    let copy = cache.artifact(&entry, Form::Component).unwrap();
    assert!(load(&engine, &copy).is_ok());
    // What was copied is the whole of it, also where the content was read before.
    let file = File::open(cache.entry(&cache.name(&entry))).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    let copy = cache.artifact(&entry, Form::Component).unwrap();
    assert_eq!(copy.size().unwrap(), file.metadata().unwrap().len());
}

#[test]
fn a_module_is_not_loaded_as_a_component() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::default();
    let cache = Cache::open(folder.path()).unwrap();
    let module = wat::parse_str("(module)").unwrap();
    let code = engine.precompile_module(&module).unwrap();
    let module = Artifact::of_bytes(Form::Module, code);
    cache.store(&guest("a"), &module).unwrap();
    assert!(cache.load(&engine, &guest("a"), Form::Module).is_some());
    assert!(cache.load(&engine, &guest("a"), Form::Component).is_none());
}

#[test]
fn changed_code_is_never_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::default();
    let cache = Cache::open(folder.path()).unwrap();
    cache.store(&guest("a"), &compiled(&engine)).unwrap();
    let path = cache.entry("a");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(cache.load(&engine, &guest("a"), Form::Component).is_none());
    assert!(!path.exists(), "the entry is deleted");
}

#[test]
fn code_of_one_caller_is_not_found_for_another() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::default();
    let cache = Cache::open(folder.path()).unwrap();
    let (anna, bert) = (component(1, "a"), component(2, "a"));
    cache.store(&anna, &compiled(&engine)).unwrap();
    assert!(cache.load(&engine, &bert, Form::Component).is_none());
    // Nor where it is given the other's name.
    let (from, to) = (cache.name(&anna), cache.name(&bert));
    fs::copy(cache.entry(&from), cache.entry(&to)).unwrap();
    fs::copy(cache.seal_path(&from), cache.seal_path(&to)).unwrap();
    assert!(cache.load(&engine, &bert, Form::Component).is_none());
    assert!(cache.load(&engine, &anna, Form::Component).is_some());
    // A token's digest is nobody's business.
    let digest = blake3::Hash::from_bytes([1; 32]).to_hex();
    assert!(!from.contains(&digest[..8]), "{from}");
}

/// Stores components of a caller, the first ones as if long ago.
fn fill(cache: &Cache, code: &Artifact, caller: u8, names: std::ops::Range<u64>) {
    for number in names {
        let entry = component(caller, number);
        cache.store(&entry, code).unwrap();
        // Times of files are coarse.
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(number);
        let file = File::open(cache.entry(&cache.name(&entry))).unwrap();
        file.set_modified(time).unwrap();
    }
}

#[test]
fn the_oldest_make_room_and_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::default();
    let cache = Cache::open(folder.path()).unwrap();
    let code = compiled(&engine);
    let there = |caller, number: u64| {
        cache
            .entry(&cache.name(&component(caller, number)))
            .exists()
    };
    cache.store(&guest("guest"), &code).unwrap();
    // Who brings many pushes out their own, though another's are older.
    fill(&cache, &code, 1, 0..1);
    let own = MAX_OWN.entries as u64;
    fill(&cache, &code, 2, 100..100 + own + 3);
    assert!(there(1, 0) && !there(2, 100) && !there(2, 102) && there(2, 103));
    assert!(!cache.seal_path(&cache.name(&component(2, 102))).exists());
    // All together are bounded too.
    fill(&cache, &code, 3, 200..200 + own);
    assert!(!there(1, 0) && there(2, 103 + 1) && there(3, 200));
    // One that is as large as the bound is alone.
    cache.make_room(COMPONENTS, MAX_ALL, MAX_ALL.bytes).unwrap();
    assert!(cache.entry("guest").exists() && !there(3, 200 + own - 1));
}

#[test]
fn a_seal_belongs_to_one_name() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::default();
    let cache = Cache::open(folder.path()).unwrap();
    cache.store(&guest("a"), &compiled(&engine)).unwrap();
    fs::copy(cache.entry("a"), cache.entry("b")).unwrap();
    fs::copy(cache.seal_path("a"), cache.seal_path("b")).unwrap();
    assert!(cache.load(&engine, &guest("b"), Form::Component).is_none());
}

#[test]
fn a_copied_folder_is_sealed_anew() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let engine = Engine::default();
    Cache::open(one.path())
        .unwrap()
        .store(&guest("a"), &compiled(&engine))
        .unwrap();
    for entry in fs::read_dir(one.path()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), two.path().join(entry.file_name())).unwrap();
    }
    let copy = Cache::open(two.path()).unwrap();
    let before = copy.read_seal("a").unwrap().stamp;
    assert!(copy.load(&engine, &guest("a"), Form::Component).is_some());
    assert_ne!(before, copy.read_seal("a").unwrap().stamp);
}

#[test]
fn a_folder_that_others_may_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(Cache::open(folder.path()).is_err());
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(Cache::open(folder.path()).is_ok());
}
