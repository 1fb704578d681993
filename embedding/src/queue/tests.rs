use super::*;

type Reply = oneshot::Receiver<Result<Embedded, Error>>;

fn push(lane: Lane, queue: &Queue, texts: &[&str]) -> Result<Vec<Reply>, Error> {
    let job = |text: &&str| {
        let (reply, receiver) = oneshot::channel();
        let (text, sentences) = ((*text).to_owned(), Vec::new());
        (Job { lane, text, sentences, since: Instant::now(), reply }, receiver)
    };
    let (jobs, replies) = texts.iter().map(job).unzip();
    queue.push(lane, jobs).map(|()| replies)
}

fn query(queue: &Queue, text: &str) -> Result<Reply, Error> {
    push(Lane::Queries, queue, &[text]).map(|mut replies| replies.remove(0))
}

fn passages(queue: &Queue, texts: &[&str]) -> Result<Vec<Reply>, Error> {
    push(Lane::Soon, queue, texts)
}

fn drain(queue: &Queue) -> Vec<String> {
    std::iter::from_fn(|| queue.lock().next(Role::Foreground, Duration::ZERO)).map(|job| job.text).collect()
}

#[test]
fn queries_go_first_and_documents_take_turns() {
    let queue = Queue::new(10, Duration::ZERO);
    let _replies = (
        passages(&queue, &["a1", "a2", "a3"]).unwrap(),
        passages(&queue, &["b1"]).unwrap(),
        query(&queue, "q1").unwrap(),
        passages(&queue, &["c1", "c2"]).unwrap(),
        query(&queue, "q2").unwrap(),
    );
    assert_eq!(drain(&queue), ["q1", "q2", "a1", "b1", "c1", "a2", "c2", "a3"]);
}

#[test]
fn urgent_passages_go_first_and_the_others_get_a_turn_now_and_then() {
    let queue = Queue::new(20, Duration::ZERO);
    let _replies = (
        push(Lane::Later, &queue, &["later 1", "later 2", "later 3"]).unwrap(),
        passages(&queue, &["1", "2", "3", "4", "5", "6", "7", "8", "9"]).unwrap(),
    );
    let order = drain(&queue);
    assert_eq!(order, ["1", "2", "3", "4", "5", "6", "7", "later 1", "8", "9", "later 2", "later 3"]);
}

#[test]
fn texts_that_have_time_refuse_no_urgent_ones() {
    let queue = Queue::new(2, Duration::ZERO);
    let _later = push(Lane::Later, &queue, &["1", "2"]).unwrap();
    assert_eq!(push(Lane::Later, &queue, &["3"]).unwrap_err(), Error::Busy);
    let _soon = passages(&queue, &["4"]).unwrap();
    assert_eq!(queue.waiting(), [0, 1, 2]);
}

#[test]
fn texts_that_have_time_are_left_to_the_threads_in_the_background() {
    const HOUR: Duration = Duration::from_secs(3_600);
    let queue = Queue::new(20, HOUR);
    let _replies = (
        push(Lane::Later, &queue, &["later 1", "later 2"]).unwrap(),
        passages(&queue, &["1", "2", "3", "4", "5", "6", "7"]).unwrap(),
    );
    let mut lanes = queue.lock();
    let mut next = |role| lanes.next(role, HOUR).map(|job| job.text);
    assert_eq!(next(Role::Background).as_deref(), Some("later 1"));
    let foreground: Vec<String> = std::iter::from_fn(|| next(Role::Foreground)).collect();
    assert_eq!(foreground, ["1", "2", "3", "4", "5", "6", "7", "later 2"], "it keeps its turn");
    assert_eq!(next(Role::Background), None);
}

#[test]
fn texts_that_the_background_leaves_are_taken_in_the_foreground() {
    let patience = Duration::from_millis(50);
    let queue = Queue::new(20, patience);
    let started = Instant::now();
    let _replies = push(Lane::Later, &queue, &["later 1", "later 2"]).unwrap();
    let next = || queue.pop(Role::Foreground).map(|job| job.text);
    assert_eq!([next(), next()].map(Option::unwrap), ["later 1", "later 2"]);
    assert!(started.elapsed() >= 2 * patience, "one for each time");
}

#[test]
fn a_full_lane_refuses_and_leaves_the_other_alone() {
    let queue = Queue::new(2, Duration::ZERO);
    let _document = passages(&queue, &["1", "2", "3", "4", "5"]).unwrap();
    assert_eq!(passages(&queue, &["6"]).unwrap_err(), Error::Busy);
    let _queries = (query(&queue, "a").unwrap(), query(&queue, "b").unwrap());
    assert_eq!(query(&queue, "c").unwrap_err(), Error::Busy);
    assert_eq!(queue.waiting(), [2, 5, 0]);
}

#[test]
fn abandoned_texts_make_room() {
    let queue = Queue::new(2, Duration::ZERO);
    drop(passages(&queue, &["1", "2"]).unwrap());
    let _kept = passages(&queue, &["3"]).unwrap();
    assert_eq!(drain(&queue), ["3"]);
}

#[test]
fn closing_fails_what_waits_and_what_comes() {
    let queue = Queue::new(2, Duration::ZERO);
    let mut waiting = query(&queue, "a").unwrap();
    queue.close();
    assert!(waiting.try_recv().is_err());
    assert_eq!(query(&queue, "b").unwrap_err(), Error::Closed);
    assert!(queue.pop(Role::Foreground).is_none());
}

#[test]
fn a_waiting_worker_wakes_for_work_and_for_the_end() {
    let queue = Queue::new(2, Duration::ZERO);
    std::thread::scope(|threads| {
        let worker = threads.spawn(|| {
            (queue.pop(Role::Foreground).map(|job| job.text), queue.pop(Role::Foreground).map(|job| job.text))
        });
        let _reply = query(&queue, "a").unwrap();
        while queue.waiting()[Lane::Queries as usize] > 0 {
            std::thread::yield_now();
        }
        queue.close();
        assert_eq!(worker.join().unwrap(), (Some("a".to_owned()), None));
    });
}
