use std::fmt::Display;

use config_schema::count;
use gpu_probe::{Driver, Gpu, Host, Mig, MigInstance, Reading};

use crate::args::ProbeArgs;
use crate::environment::cuda_environment;
use crate::failure::Failure;
use crate::figures::gibibytes;
use crate::output;
use crate::settings::nvml_library;
use crate::wiring::Wiring;

pub fn run<W: Wiring>(args: &ProbeArgs) -> Result<(), Failure> {
    let library = nvml_library(args.nvml_library.as_deref())?;
    let inventory = W::probe(library.as_deref(), &cuda_environment())?;
    if args.json {
        output::json(&inventory);
        return Ok(());
    }
    match &inventory.driver {
        Driver::Absent { reason } => output::line(format!("no NVIDIA driver ({reason})")),
        Driver::Present {
            version,
            cuda_version,
            visibility,
            gpus,
        } => {
            output::line(format!(
                "driver {}, CUDA {}",
                shown(version),
                shown(cuda_version)
            ));
            if let Some(list) = &visibility.visible_devices {
                output::line(format!("CUDA_VISIBLE_DEVICES=\"{list}\""));
            }
            if let Some(why) = &visibility.ignored {
                output::line(format!("  {why}"));
            }
            match gpus.as_result() {
                Ok(gpus) => gpus.iter().for_each(show_gpu),
                Err(reason) => output::line(format!("GPUs not available ({reason})")),
            }
        }
    }
    show_host(&inventory.host);
    Ok(())
}

fn show_gpu(gpu: &Gpu) {
    output::line(format!(
        "GPU {}  {}  {}{}",
        gpu.index,
        shown(&gpu.name),
        shown(&gpu.uuid),
        mark(gpu.visible, gpu.cuda_ordinal)
    ));
    row("memory", &gpu.memory, |memory| {
        let [used, free, total] = [memory.used, memory.free, memory.total].map(gibibytes);
        format!("{used} used, {free} free of {total}")
    });
    row("compute", &gpu.compute_capability, ToString::to_string);
    row("utilisation", &gpu.utilization, |use_| {
        format!(
            "{} % of its time, {} % of the memory's",
            use_.gpu_percent, use_.memory_percent
        )
    });
    row("temperature", &gpu.temperature_celsius, |degrees| {
        format!("{degrees} °C")
    });
    row("power", &gpu.power_watts, |watts| format!("{watts:.0} W"));
    row("power limit", &gpu.power_limit_watts, |watts| {
        format!("{watts:.0} W")
    });
    row("MIG", &gpu.mig, |mig| match mig {
        Mig::Unsupported => "not supported".to_owned(),
        Mig::Disabled => "off".to_owned(),
        Mig::Enabled { instances } => match instances.as_result() {
            Ok(instances) => format!("on; {}", count(instances.len(), "instance")),
            Err(reason) => format!("on; instances not available ({reason})"),
        },
    });
    if let Reading::Value(Mig::Enabled {
        instances: Reading::Value(instances),
    }) = &gpu.mig
    {
        instances.iter().for_each(show_instance);
    }
    row("processes", &gpu.processes, |processes| {
        let each = processes.iter().map(|process| {
            let memory = process
                .used_memory
                .as_result()
                .map_or_else(|_| "unknown".to_owned(), |bytes| gibibytes(*bytes));
            format!("{} {} {memory}", process.pid, shown(&process.name))
        });
        if processes.is_empty() {
            "none".to_owned()
        } else {
            each.collect::<Vec<_>>().join("; ")
        }
    });
}

fn show_instance(instance: &MigInstance) {
    let memory = match instance.memory.as_result() {
        Ok(memory) => format!(
            "{} free of {}",
            gibibytes(memory.free),
            gibibytes(memory.total)
        ),
        Err(reason) => format!("memory not available ({reason})"),
    };
    output::line(format!(
        "  instance {}  {}  {}  {memory}{}",
        instance.index,
        shown(&instance.name),
        shown(&instance.uuid),
        mark(instance.visible, instance.cuda_ordinal)
    ));
}

/// How this process reaches a GPU, after its name.
fn mark(visible: bool, ordinal: Option<u32>) -> String {
    match ordinal {
        _ if !visible => "  (hidden by CUDA_VISIBLE_DEVICES)".to_owned(),
        Some(ordinal) => format!("  cuda:{ordinal}"),
        None => String::new(),
    }
}

fn show_host(host: &Host) {
    output::line("host");
    row("memory", &host.usable_memory, |bytes| {
        format!("{} usable", gibibytes(*bytes))
    });
    row("of", &host.total_memory, |bytes| gibibytes(*bytes));
    row("cgroup", &host.cgroup, |cgroup| match cgroup {
        Some(cgroup) => format!(
            "{} in use of {}",
            gibibytes(cgroup.current),
            gibibytes(cgroup.limit)
        ),
        None => "no limit".to_owned(),
    });
    if let Reading::Value(None) = &host.address_space {
        // Hardly anybody sets one.
    } else {
        row("mapped", &host.address_space, |limit| {
            limit.map_or_else(String::new, |limit| {
                let [mapped, most] = [limit.mapped, limit.limit].map(gibibytes);
                format!("{mapped} of {most} (`{}`)", limit.kind.command())
            })
        });
    }
    row("cores", &host.cores, ToString::to_string);
}

fn row<T>(name: &str, reading: &Reading<T>, show: impl Fn(&T) -> String) {
    let value = match reading.as_result() {
        Ok(value) => show(value),
        Err(reason) => format!("not available ({reason})"),
    };
    output::line(format!("  {name:<12} {value}"));
}

fn shown<T: Display>(reading: &Reading<T>) -> String {
    reading.as_result().map_or_else(
        |reason| format!("not available ({reason})"),
        ToString::to_string,
    )
}
