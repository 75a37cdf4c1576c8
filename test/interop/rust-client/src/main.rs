//! Drives the published Rust client (`lnc-client` on crates.io) against a node: one command a run, one line of JSON out.
//!
//! `lance-interop-rust-client COMMAND ADDRESS TOPIC RECORDS SEED`

use std::error::Error;

use lnc_client::{
    ClientConfig, ClientError, ConnectionPool, ConnectionPoolConfig, Consumer, ConsumerConfig,
    LanceClient, PollResult, Producer, ProducerConfig, RecordIterator, RecordType, SeekPosition,
    StandaloneConfig, StandaloneConsumer, encode_record,
};

type Outcome = Result<String, Box<dyn Error>>;

/// mulberry32, as `test/harness/data.ts` has it, so that the caller can make the same records.
struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x6d2b_79f5);
        let mut mixed = (self.0 ^ (self.0 >> 15)).wrapping_mul(self.0 | 1);
        mixed ^= mixed.wrapping_add((mixed ^ (mixed >> 7)).wrapping_mul(mixed | 61));
        mixed ^ (mixed >> 14)
    }
}

fn make_records(seed: u32, count: usize) -> Vec<Vec<u8>> {
    let mut random = Random(seed);
    (0..count)
        .map(|index| {
            let mut record = format!("{seed}/{index}/").into_bytes();
            let length = random.next() % 60;
            record.extend((0..length).map(|_| random.next() as u8));
            record
        })
        .collect()
}

struct Run {
    address: String,
    topic: String,
    records: usize,
    seed: u32,
}

impl Run {
    async fn client(&self) -> Result<LanceClient, ClientError> {
        LanceClient::connect(ClientConfig::new(&self.address)).await
    }

    /// Producer (batches of the size it chooses), then Consumer from the beginning until all is there.
    async fn roundtrip(&self) -> Outcome {
        let topic = self.client().await?.create_topic(&self.topic).await?;
        let records = make_records(self.seed, self.records);
        // A long linger: batches leave by size alone, so the client cannot overtake itself.
        let config = ProducerConfig::new().with_linger_ms(600_000);
        let producer = Producer::connect(&self.address, config).await?;
        for record in &records {
            producer
                .send_async(topic.id, &encode_record(RecordType::Data, record))
                .await?;
        }
        producer.flush().await?;
        let metrics = producer.metrics();
        let mut consumer = Consumer::connect(&self.address, ConsumerConfig::new(topic.id)).await?;
        let mut received = Vec::with_capacity(records.len());
        let mut empty = 0;
        while received.len() < records.len() && empty < 200 {
            match consumer.next_batch().await? {
                Some(batch) => take(batch, &mut received)?,
                None => empty += 1,
            }
        }
        let end = consumer.seek(SeekPosition::End).await?;
        Ok(format!(
            r#"{{"topicId":{},"equal":{},"received":{},"sentRecords":{},"errors":{},"end":{end}}}"#,
            topic.id,
            received == records,
            received.len(),
            metrics.records_sent,
            metrics.errors,
        ))
    }

    /// StandaloneConsumer: Subscribe by name, Fetch, CommitOffset, seek to the end, Unsubscribe.
    async fn standalone(&self) -> Outcome {
        let records = make_records(self.seed, self.records);
        let config = StandaloneConfig::with_topic_name("interop", &self.topic).with_manual_commit();
        let mut consumer = StandaloneConsumer::connect(&self.address, config).await?;
        let mut received = Vec::with_capacity(records.len());
        let mut empty = 0;
        while received.len() < records.len() && empty < 200 {
            match consumer.next_batch().await? {
                Some(batch) => take(batch, &mut received)?,
                None => empty += 1,
            }
        }
        consumer.commit().await?;
        let committed = consumer.committed_offset();
        // Seeking unsubscribes and subscribes again; at the end nothing comes.
        let end = consumer.seek(SeekPosition::End).await?;
        let at_end = consumer.next_batch().await?.is_none();
        let mut client = consumer.close().await?;
        let ping = client.ping().await.is_ok();
        Ok(format!(
            r#"{{"equal":{},"received":{},"committed":{committed},"end":{end},"atEnd":{at_end},"ping":{ping}}}"#,
            received == records,
            received.len(),
        ))
    }

    /// What many users do: hand bare bytes to the producer, which puts no TLV header before them.
    async fn bare(&self) -> Outcome {
        let topic = self.client().await?.create_topic(&self.topic).await?;
        let producer = Producer::connect(&self.address, ProducerConfig::new()).await?;
        for record in make_records(self.seed, self.records) {
            producer.send(topic.id, &record).await?;
        }
        producer.close().await?;
        Ok(format!(r#"{{"topicId":{}}}"#, topic.id))
    }

    /// Every management call.
    async fn manage(&self) -> Outcome {
        let mut client = self.client().await?;
        let first = client.create_topic(&self.topic).await?;
        let again = client.create_topic(&self.topic).await?;
        let found = client.get_topic(first.id).await?;
        client.set_retention(first.id, 3600, 1 << 30).await?;
        let kept = client.get_topic(first.id).await?;
        let retention = kept.retention.map(|r| (r.max_age_secs, r.max_bytes));
        let second_name = format!("{}-kept", self.topic);
        let second = client
            .create_topic_with_retention(&second_name, 60, 1 << 20)
            .await?;
        let listed = client.list_topics().await?.len();
        client.delete_topic(second.id).await?;
        let left = client.list_topics().await?.len();
        let gone = match client.get_topic(second.id).await {
            Err(ClientError::ServerError(message)) => message.contains("19"),
            _ => false,
        };
        let unknown = client
            .send_ingest_to_topic_sync(second.id, encode_record(RecordType::Data, b"x"), 1, None)
            .await;
        let refused = matches!(unknown, Err(ClientError::ServerError(ref message)) if !message.contains("FORWARD_FAILED"));
        let acked = client
            .send_ingest_to_topic_sync(first.id, encode_record(RecordType::Data, b"x"), 1, None)
            .await?;
        let subscribed = client.subscribe(first.id, 0, 1 << 16, 77).await?;
        let committed = client.commit_offset(first.id, 77, 6).await?;
        client.unsubscribe(first.id, 77).await?;
        let status = client.get_cluster_status().await?;
        client.ping().await?;
        client.close().await?;
        let pool = ConnectionPool::new(&self.address, ConnectionPoolConfig::new()).await?;
        let pooled = pool.get().await?.ping().await.is_ok();
        Ok(format!(
            concat!(
                r#"{{"sameId":{},"name":"{}","epoch":{},"noRetention":{},"retention":{:?},"listed":{},"left":{},"gone":{},"#,
                r#""refused":{},"acked":{},"subscribedAt":{},"committed":{},"leader":{},"nodes":{},"quorum":{},"pooled":{}}}"#
            ),
            first.id == again.id,
            found.name,
            found.topic_epoch,
            found.retention.is_none(),
            retention
                .map(|(age, bytes)| vec![age, bytes])
                .unwrap_or_default(),
            listed,
            left,
            gone,
            refused,
            acked,
            subscribed.start_offset,
            committed.committed_offset,
            status.is_leader,
            status.node_count,
            status.quorum_available,
            pooled,
        ))
    }
}

fn take(batch: PollResult, into: &mut Vec<Vec<u8>>) -> Result<(), Box<dyn Error>> {
    let before = into.len();
    for record in RecordIterator::new(batch.data) {
        into.push(record?.payload.to_vec());
    }
    if into.len() - before != batch.record_count as usize {
        return Err(format!(
            "{} records came, the answer claims {}",
            into.len() - before,
            batch.record_count
        )
        .into());
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [command, address, topic, records, seed] = arguments.as_slice() else {
        return Err("usage: COMMAND ADDRESS TOPIC RECORDS SEED".into());
    };
    let run = Run {
        address: address.clone(),
        topic: topic.clone(),
        records: records.parse()?,
        seed: seed.parse()?,
    };
    let line = match command.as_str() {
        "roundtrip" => run.roundtrip().await?,
        "standalone" => run.standalone().await?,
        "bare" => run.bare().await?,
        "manage" => run.manage().await?,
        other => return Err(format!("unknown command {other}").into()),
    };
    println!("{line}");
    Ok(())
}
