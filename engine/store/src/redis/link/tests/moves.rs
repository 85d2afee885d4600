//! Masters that are replaced.

use super::*;

/// Keys enough for every master to have some.
const KEYS: usize = 30;

#[tokio::test]
async fn a_failover_by_sentinels_moves_the_writes_to_the_new_master() {
    let mut sentinels = Sentinels::start().await;
    let link = Link::connect(&of_sentinels(&sentinels)).await.unwrap();
    set(&link, "a", "1").await.unwrap();
    sentinels.master.kill();
    goes_down(&link).await;
    comes_up(&link).await;
    set(&link, "a", "2").await.unwrap();
    let kept = sentinels.replica.ask(&["GET", "a"]).await.unwrap();
    assert_eq!(kept, Value::BulkString(b"2".to_vec()));
}

#[tokio::test]
async fn a_failover_is_noticed_although_the_old_link_stays_open() {
    let sentinels = Sentinels::start().await;
    let link = Link::connect(&of_sentinels(&sentinels)).await.unwrap();
    // As asked for by hand: the old master lives on, as a replica.
    let urls = sentinels.urls();
    let client = redis::Client::open(urls[0].as_str()).unwrap();
    let mut sentinel = client.get_multiplexed_async_connection().await.unwrap();
    let name = Sentinels::NAME;
    let failover = command(&["SENTINEL", "FAILOVER", name]);
    failover.exec_async(&mut sentinel).await.unwrap();
    let new = sentinels.replica.address();
    until("the link leads to the new master", async || {
        let now = link.watch().borrow().clone();
        now.is_up() && now.masters().any(|at| at.to_string() == new)
    })
    .await;
    set(&link, "a", "2").await.unwrap();
    let kept = sentinels.replica.ask(&["GET", "a"]).await.unwrap();
    assert_eq!(kept, Value::BulkString(b"2".to_vec()));
}

#[tokio::test]
async fn a_replica_takes_over_from_a_master_of_a_cluster() {
    let mut cluster = Cluster::start().await;
    let link = Link::connect(&of_cluster(&cluster)).await.unwrap();
    write_all(&link, "1").await.unwrap();
    read_all(&link, "1").await;
    assert_eq!(link.masters().await.unwrap().len(), 3);
    cluster.nodes[0].kill();
    goes_down(&link).await;
    comes_up(&link).await;
    write_all(&link, "2").await.unwrap();
    read_all(&link, "2").await;
    let replica = cluster.nodes[3].address();
    let masters = link.watch().borrow().clone();
    let masters: Vec<_> = masters.masters().map(ToString::to_string).collect();
    assert!(masters.contains(&replica), "{masters:?}");
}

#[tokio::test]
async fn commands_follow_slots_that_move_without_being_carried_out_twice() {
    let cluster = Cluster::start().await;
    let link = Link::connect(&of_cluster(&cluster)).await.unwrap();
    // The slot of this key lies at the third master: 0x31c3.
    let (key, slot, from, to) = ("123456789", "12739", &cluster.nodes[2], &cluster.nodes[0]);
    link.query(command(&["INCR", key])).await.unwrap();
    let mut ids = Vec::new();
    for node in [from, to] {
        let id = node.ask(&["CLUSTER", "MYID"]).await.unwrap();
        ids.push(String::from_redis_value(id).unwrap());
    }
    let [from_id, to_id] = [&ids[0], &ids[1]];
    to.ask(&["CLUSTER", "SETSLOT", slot, "IMPORTING", from_id])
        .await
        .unwrap();
    from.ask(&["CLUSTER", "SETSLOT", slot, "MIGRATING", to_id])
        .await
        .unwrap();
    let port = to.port().to_string();
    from.ask(&["MIGRATE", "127.0.0.1", &port, key, "0", "1000"])
        .await
        .unwrap();
    // On the way: the old owner says ASK.
    assert_eq!(
        link.query(command(&["INCR", key])).await.unwrap(),
        Value::Int(2)
    );
    let all = vec![command(&["INCR", key]), command(&["GET", "other"])];
    assert_eq!(link.query_all(all).await.unwrap()[0], Value::Int(3));
    for node in [to, from] {
        node.ask(&["CLUSTER", "SETSLOT", slot, "NODE", to_id])
            .await
            .unwrap();
    }
    // Arrived: the old owner says MOVED until the link has heard of it.
    assert_eq!(
        link.query(command(&["INCR", key])).await.unwrap(),
        Value::Int(4)
    );
    let script = redis::Script::new("return redis.call('INCR', KEYS[1])");
    assert_eq!(
        link.script(&script, &[key], &[]).await.unwrap(),
        Value::Int(5)
    );
    assert_eq!(link.health(), Health::Up);
}

async fn write_all(link: &Link, value: &str) -> Result<(), StoreError> {
    let each = (0..KEYS).map(|n| command(&["SET", &format!("key-{n}"), value]));
    link.query_all(each.collect()).await.map(drop)
}

async fn read_all(link: &Link, value: &str) {
    for n in 0..KEYS {
        let read = get(link, &format!("key-{n}")).await.unwrap();
        assert_eq!(read.as_deref(), Some(value), "key-{n}");
    }
    let each = (0..KEYS).map(|n| command(&["GET", &format!("key-{n}")]));
    let read = link.query_all(each.collect()).await.unwrap();
    assert_eq!(read, vec![Value::BulkString(value.into()); KEYS]);
}
