//! The table of the origin, and beside it what was ever done to it.

use std::collections::HashMap;

use anyhow::{Context as _, Result, anyhow};
use tokio_postgres::{Client, NoTls};

use crate::audit::{Effect, EffectKind};

/// The lines of `[origin.db]` by which the origin keeps the places of writes in the queue, and
/// those of deletes too.
pub const KEPT: &str = "sequence = \"sequence\"\ndeleted = \"gone\"\n";

/// The table, and a trigger that notes every effect in the transaction that has it. Two effects on
/// one row are noted in the order of their commits, since the second waits for the first. What was
/// not queued leaves the row's sequence as it was, and is noted without one. A row may have nothing
/// but a key, so that a delete leaves a mark where there was none.
const SCHEMA: &str = "
    CREATE TABLE things (
        id text PRIMARY KEY, number bigint, sequence bigint, gone boolean, filler text
    );
    CREATE TABLE effects (
        place bigserial PRIMARY KEY, id text NOT NULL, kind text NOT NULL, number bigint NOT NULL,
        sequence bigint
    );
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            INSERT INTO effects (id, kind, number) VALUES (OLD.id, 'delete', OLD.number);
            RETURN OLD;
        END IF;
        INSERT INTO effects (id, kind, number, sequence) VALUES (
            NEW.id, CASE WHEN NEW.gone THEN 'delete' ELSE 'put' END,
            coalesce(NEW.number, 0),
            CASE WHEN TG_OP = 'INSERT' OR NEW.sequence <> OLD.sequence THEN NEW.sequence END
        );
        RETURN NEW;
    END $$;
    CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON things
        FOR EACH ROW EXECUTE FUNCTION note();";

/// Opens a connection that closes when its client is dropped.
///
/// # Errors
/// Where the server does not take it.
pub async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    // Its error is that of the client's next statement.
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}

/// Makes the table.
///
/// # Errors
/// Where PostgreSQL refuses.
pub async fn create(url: &str) -> Result<()> {
    let client = connect(url).await.context("PostgreSQL")?;
    Ok(client.batch_execute(SCHEMA).await?)
}

/// What the table holds, by key.
///
/// # Errors
/// Where PostgreSQL refuses.
pub async fn rows(client: &Client) -> Result<HashMap<String, u64>> {
    let rows = client
        .query("SELECT id, number FROM things WHERE gone IS NOT TRUE", &[])
        .await?;
    let rows = rows.iter().map(|row| {
        let number: i64 = row.try_get(1)?;
        Ok((row.try_get(0)?, u64::try_from(number)?))
    });
    rows.collect()
}

/// What was done to the table, in order.
///
/// # Errors
/// Where PostgreSQL refuses.
pub async fn effects(client: &Client) -> Result<Vec<Effect>> {
    let all = "SELECT id, kind, number, sequence FROM effects ORDER BY place";
    let rows = client.query(all, &[]).await?;
    let effects = rows.iter().map(|row| {
        let (number, sequence): (i64, Option<i64>) = (row.try_get(2)?, row.try_get(3)?);
        let kind = match row.try_get(1)? {
            "put" => EffectKind::Put(u64::try_from(number)?),
            "delete" => EffectKind::Delete(sequence.map(u64::try_from).transpose()?),
            other => return Err(anyhow!("the trigger notes no `{other}`")),
        };
        let key = row.try_get(0)?;
        Ok(Effect { key, kind })
    });
    effects.collect()
}
